#include "launch/run/host_board.h"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <thread>
#include <utility>

#include "actors/failure/pause_detector.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/base/span.h"

namespace stagecraft {
namespace fs = std::filesystem;
namespace {

/// Whether a rank of this host, of the same launcher, has made the board: a folder may contain an
/// earlier run's, or another host's.
bool is_ours(const ProgressBoard& board, const BoardPlace& place) {
  bool entered = false;
  for (int rank = 0; rank < board.ranks(); ++rank) {
    entered = entered || board.slot(rank).host() == place.host;
  }
  return entered && board.info().launcher_process == place.launcher;
}

std::optional<ProgressBoard> try_open(const fs::path& path, const BoardPlace& place) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    return {};
  }
  ProgressBoard board = ProgressBoard::open(path, MappedFile::Access::write);
  return is_ours(board, place) ? std::optional(std::move(board)) : std::nullopt;
}

/// "HOST PROCESS".
std::pair<std::string, int> host_and_process(const std::string& text) {
  const std::size_t space = text.rfind(' ');
  int process = 0;
  if (space != std::string::npos) {
    std::from_chars(text.data() + space + 1, text.data() + text.size(), process);
  }
  return {text.substr(0, space), process};
}

/// Waits for the board, since the host's first rank may start later than this process. Which of the
/// two files it is tells whether rank 0 is on this host.
std::pair<ProgressBoard, bool> await_board(const BoardPlace& place, double seconds) {
  using Clock = std::chrono::steady_clock;
  const std::chrono::duration<double> patience(seconds);
  auto deadline = Clock::now() + patience;
  PauseDetector pauses(std::chrono::seconds(1), now_ns(), wall_clock_ns());
  while (Clock::now() < deadline) {
    if (pauses.paused(now_ns(), wall_clock_ns())) {
      deadline = Clock::now() + patience;
    }
    for (const bool local : {place.process.several_hosts(), false}) {
      if (auto board = try_open(local ? place.host_file() : place.run_file, place)) {
        return {std::move(*board), local};
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  throw Error(
      place.run_file.string(),
      fmt::format("{} has made no progress board within {} s (run.watchdog_seconds)",
                  place.process.several_hosts() ? "the first rank of " + place.host : "rank 0",
                  seconds));
}

}  // namespace

fs::path BoardPlace::host_file() const {
  return process.local_folder / fmt::format("stagecraft-board-{}-{}", host, launcher);
}

fs::path BoardPlace::copy_file() const {
  return fmt::format("{}.{}", run_file.string(), process.rank);
}

BoardPlace board_place(const fs::path& run_file) {
  return {.run_file = run_file,
          .process = mpi_environment().value_or(MpiEnvironment{}),
          .host = host_name(),
          .launcher = ::getppid()};
}

HostBoard::HostBoard(const BoardInfo& info, BoardPlace place) : place_(std::move(place)) {
  if (is_first()) {
    local_ = place_.process.rank != 0;
    BoardInfo ours = info;
    ours.launcher_process = place_.launcher;
    board_ = std::make_shared<ProgressBoard>(
        ProgressBoard::create(ours, local_ ? place_.host_file() : place_.run_file));
  } else {
    auto [board, local] = await_board(place_, info.watchdog_seconds);
    board_ = std::make_shared<ProgressBoard>(std::move(board));
    local_ = local;
  }
  board_->slot(place_.process.rank).enter(::getpid(), place_.host);
}

void HostBoard::meet_others(MpiSession& session) {
  if (!place_.process.several_hosts()) {
    return;
  }
  const std::vector<std::string> all =
      session.exchange(fmt::format("{} {}", place_.host, ::getpid()));
  if (is_first()) {
    for (int rank = 0; rank < board_->ranks(); ++rank) {
      const auto [host, process] = host_and_process(all[static_cast<std::size_t>(rank)]);
      if (host != place_.host) {
        board_->slot(rank).enter(process, host);
      }
    }
    std::error_code ignored;
    fs::remove(place_.host_file(), ignored);
  }
  session.exchange("");  // all rows are there
}

std::optional<BoardRelay> HostBoard::relay() const {
  return place_.process.several_hosts() && is_first()
             ? std::optional(BoardRelay(board_, place_.host))
             : std::nullopt;
}

void HostBoard::end() {
  board_->slot(place_.process.rank).set(Activity::ended);
  for (int rank = 0; is_first() && rank < board_->ranks(); ++rank) {
    if (board_->slot(rank).host() != place_.host) {
      board_->slot(rank).set(Activity::ended);
    }
  }
}

void HostBoard::keep_copy() const noexcept {
  try {
    if (local_) {
      write_file(place_.copy_file(), board_->bytes());
    }
  } catch (const std::exception&) {
  }
}

}  // namespace stagecraft
