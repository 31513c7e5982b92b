// The watchdog as a thread: what it does about a cause, and about a pause of its own.
#include "actors/failure/watchdog.h"

#include <catch2/catch.hpp>
#include <csignal>
#include <future>
#include <mutex>

#include "tests/child_process.h"
#include "tests/temporary_folder.h"

namespace stagecraft {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

std::shared_ptr<ProgressBoard> one_stage() {
  return std::make_shared<ProgressBoard>(
      BoardInfo{.mesh = {.pipeline = 1}, .stage_of_chunk = {0}, .watchdog_seconds = 1});
}

}  // namespace

TEST_CASE("a pause is a gap on either clock, and counts once") {
  PauseDetector pauses{std::chrono::seconds(1), 100 * kSecond, 5000 * kSecond};
  CHECK_FALSE(pauses.paused(101 * kSecond, 5001 * kSecond));
  CHECK(pauses.paused(102 * kSecond + 1, 5002 * kSecond));  // stopped, and continued
  CHECK_FALSE(pauses.paused(103 * kSecond, 5003 * kSecond));
  CHECK(pauses.paused(103 * kSecond, 9000 * kSecond));  // the host has slept
  CHECK_FALSE(pauses.paused(104 * kSecond, 9001 * kSecond));
  CHECK_FALSE(pauses.paused(104 * kSecond, 8000 * kSecond));  // the wall clock was set back
}

TEST_CASE("a process that is stopped for longer than the limit and continued blames nobody") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "board";
  const auto board = ProgressBoard::create(one_stage()->info(), path);
  test::Pipe begun;
  test::Pipe woken;
  test::Child child([&] {
    const auto own =
        std::make_shared<ProgressBoard>(ProgressBoard::open(path, MappedFile::Access::write));
    own->slot(0).enter();
    own->slot(0).set(Activity::running, 3, {Op::forward, 0, 2});
    const Watchdog watchdog({.board = own, .own_rank = 0});
    begun.put();
    woken.get();
    // The instruction goes on; the watchdog has had its first looks meanwhile.
    for (std::int64_t beats = 0, last = 0; beats < 3;) {
      const std::int64_t beat = own->slot(0).view().heartbeat_ns;
      beats += beat != last ? 1 : 0;
      last = beat;
    }
    own->slot(0).set(Activity::ended);
  });
  begun.get();
  child.signal(SIGSTOP);
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));  // the fault itself
  woken.put();
  child.signal(SIGCONT);
  CHECK(child.wait() == 0);
  CHECK_FALSE(board.failed());
}

TEST_CASE("the hook gets the first cause once, and a failed process is ended") {
  const auto board = one_stage();
  std::promise<std::string> told;
  std::promise<void> ended;
  std::once_flag once;
  Watchdog watchdog({.board = board, .own_rank = -1, .end_process = [&](const std::string&) {
                       std::call_once(once, [&] { ended.set_value(); });
                     }});
  watchdog.on_cause([&](const std::string& cause) { told.set_value(cause); });
  CHECK(board->name_cause(0, "somebody's fault"));
  CHECK(told.get_future().get() == "somebody's fault");
  watchdog.on_cause({});  // without a hook the process is ended at once
  ended.get_future().wait();
}

TEST_CASE("a hook that is set after the cause is called at once") {
  const auto board = one_stage();
  board->name_cause(0, "early");
  std::promise<void> seen;
  std::once_flag once;
  Watchdog watchdog({.board = board, .own_rank = -1, .end_process = [&](const std::string&) {
                       std::call_once(once, [&] { seen.set_value(); });
                     }});
  seen.get_future().wait();
  std::string told;
  watchdog.on_cause([&](const std::string& cause) { told = cause; });
  CHECK(told == "early");
}

}  // namespace stagecraft
