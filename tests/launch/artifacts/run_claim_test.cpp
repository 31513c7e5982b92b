// Who holds a run directory, over processes that live, die and start at once.
#include "launch/artifacts/run_claim.h"

#include <fmt/format.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "stages/board/progress_slot.h"
#include "tests/child_process.h"
#include "tests/end_to_end/becomes_true.h"
#include "tests/temporary_folder.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using test::Child;
using test::Pipe;

std::unique_ptr<RunClaim> take(const fs::path& folder, int process = ::getpid()) {
  return RunClaim::take(folder, claim_record("a.toml", process, 0));
}

/// Leaves the claim of a process that has ended.
void take_and_die(const fs::path& folder) {
  Child child([&] { take(folder).release(); });
  REQUIRE(child.wait() == 0);
}

void write_claim(const fs::path& folder, const ClaimRecord& record) {
  std::ofstream(claim_file(folder)) << to_string(record);
}

/// Sets when the claim was last touched.
void touch_ago(const fs::path& folder, std::chrono::seconds age) {
  fs::last_write_time(claim_file(folder), fs::file_time_type::clock::now() - age);
}

std::size_t files_in(const fs::path& folder) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST_CASE("a claimed folder has a holder, with its run, process and host, until it is removed") {
  const TemporaryFolder folder;
  CHECK(claim_holder(folder.path()).empty());
  const auto claim = take(folder.path());
  REQUIRE(claim);
  CHECK(claim_holder(folder.path()) ==
        fmt::format("the run a.toml (process {} on {})", ::getpid(), host_name()));
  CHECK_FALSE(take(folder.path()));
  CHECK(files_in(folder.path()) == 1);
  claim->remove();
  CHECK(files_in(folder.path()) == 0);
  CHECK(take(folder.path()));
}

TEST_CASE("the claim of a process that has ended holds no more, however it ended") {
  const TemporaryFolder folder;
  take_and_die(folder.path());
  CHECK(fs::exists(folder.path() / "claim"));
  CHECK(claim_holder(folder.path()).empty());
  Pipe claimed;
  Child child([&] {
    const auto claim = take(folder.path());
    claimed.put(claim ? 'y' : 'n');
    ::pause();
  });
  REQUIRE(claimed.get() == 'y');
  CHECK_THAT(claim_holder(folder.path()), Contains(fmt::format("process {} ", child.process())));
  CHECK_FALSE(take(folder.path()));
  child.signal(SIGKILL);
  child.wait();
  CHECK(take(folder.path()));
}

TEST_CASE("a claim that was made for another process holds while that process lives") {
  const TemporaryFolder folder;
  Child holder([] { ::pause(); });
  take(folder.path(), holder.process()).reset();
  CHECK_THAT(claim_holder(folder.path()), Contains(fmt::format("process {} ", holder.process())));
  CHECK_FALSE(take(folder.path()));
  const auto claim = RunClaim::replace(folder.path(), claim_record("b.toml", ::getpid(), 0));
  holder.signal(SIGKILL);
  holder.wait();
  CHECK_THAT(claim_holder(folder.path()), Contains(fmt::format("process {} ", ::getpid())));
  CHECK_FALSE(take(folder.path()));
}

TEST_CASE("a claim is told from one of another boot, process of its number, or host") {
  const TemporaryFolder folder;
  ClaimRecord record = claim_record("a.toml", ::getpid(), 3);
  write_claim(folder.path(), record);
  CHECK(read_claim(folder.path()).token == record.token);
  CHECK(read_claim(folder.path()).folders == 3);
  CHECK_FALSE(take(folder.path()));
  SECTION("boot") {
    record.boot = "another";
    write_claim(folder.path(), record);
    CHECK(take(folder.path()));
  }
  SECTION("process") {
    ++record.started;
    write_claim(folder.path(), record);
    CHECK(take(folder.path()));
  }
  SECTION("host: its claim holds until it was not touched for a minute") {
    record.host = "elsewhere";
    record.boot = "another";
    write_claim(folder.path(), record);
    touch_ago(folder.path(), kClaimPatience - std::chrono::seconds(10));
    CHECK_FALSE(take(folder.path()));
    CHECK_THAT(claim_holder(folder.path()),
               Contains("on elsewhere; 60 s after it has ended, nobody holds the folder"));
    CHECK(files_in(folder.path()) == 1);
    touch_ago(folder.path(), kClaimPatience + std::chrono::seconds(10));
    CHECK(claim_holder(folder.path()).empty());
    CHECK(take(folder.path()));
    CHECK(files_in(folder.path()) == 1);
  }
  SECTION("host: a claim from the future holds") {
    record.host = "elsewhere";
    write_claim(folder.path(), record);
    touch_ago(folder.path(), std::chrono::hours(-1));
    CHECK_FALSE(take(folder.path()));
  }
  SECTION("a file that is no claim, however old") {
    std::ofstream(folder.path() / "claim") << "mine\n\n x\n";
    touch_ago(folder.path(), std::chrono::hours(1));
    CHECK_FALSE(take(folder.path()));
    CHECK_THAT(claim_holder(folder.path()), StartsWith("an unknown run (if it has ended, remove "));
  }
}

TEST_CASE("a claim is touched as long as it exists") {
  const TemporaryFolder folder;
  const auto claim = RunClaim::take(folder.path(), claim_record("a.toml", ::getpid(), 0),
                                    std::chrono::milliseconds(1));
  touch_ago(folder.path(), std::chrono::hours(1));
  const auto old = fs::file_time_type::clock::now() - std::chrono::minutes(30);
  CHECK(becomes_true([&] { return fs::last_write_time(claim_file(folder.path())) > old; }));
}

TEST_CASE("of processes that claim a folder at once, one has it, free or with a dead claim") {
  constexpr int kRounds = 20;
  constexpr int kProcesses = 6;
  const TemporaryFolder folder;
  for (int round = 0; round < kRounds; ++round) {
    const fs::path path = folder.path() / fmt::format("{}", round);
    fs::create_directory(path);
    if (round % 2 == 1) {
      take_and_die(path);
    }
    Pipe start;
    Pipe answers;
    Pipe end;
    std::vector<Child> children;
    for (int i = 0; i < kProcesses; ++i) {
      children.emplace_back([&] {
        start.get();
        const auto claim = take(path);
        answers.put(claim ? 'y' : 'n');
        end.get();
      });
    }
    for (int i = 0; i < kProcesses; ++i) {
      start.put();
    }
    int winners = 0;
    for (int i = 0; i < kProcesses; ++i) {
      winners += answers.get() == 'y' ? 1 : 0;
    }
    CHECK(winners == 1);
    CHECK(files_in(path) == 1);
    for (int i = 0; i < kProcesses; ++i) {
      end.put();
    }
    for (Child& child : children) {
      CHECK(child.wait() == 0);
    }
  }
}

TEST_CASE("a claim knows when another has taken its place, and not when its file is gone") {
  const TemporaryFolder folder;
  const auto claim = RunClaim::take(folder.path(), claim_record("a.toml", ::getpid(), 0),
                                    std::chrono::milliseconds(1));
  CHECK_FALSE(claim->is_replaced());
  fs::remove(claim_file(folder.path()));
  CHECK_FALSE(claim->is_replaced());
  const auto successor = RunClaim::replace(folder.path(), claim_record("b.toml", ::getpid(), 0));
  CHECK(claim->is_replaced());
  CHECK(becomes_true([&] { return claim->was_replaced(); }));
  CHECK_FALSE(successor->is_replaced());
}

TEST_CASE("a claim removes its own file alone") {
  const TemporaryFolder folder;
  const auto claim = take(folder.path());
  const auto successor = RunClaim::replace(folder.path(), claim_record("b.toml", ::getpid(), 0));
  claim->remove();
  CHECK(read_claim(folder.path()).run == "b.toml");
}

}  // namespace
}  // namespace stagecraft
