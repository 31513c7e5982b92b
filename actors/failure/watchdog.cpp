#include "actors/failure/watchdog.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "kernels/base/span.h"

namespace stagecraft {
namespace {

/// Checks four times within the watchdog's limit, and at least four times a second.
std::chrono::milliseconds tick_of(double watchdog_seconds) {
  return std::chrono::milliseconds(
      std::max<std::int64_t>(10, static_cast<std::int64_t>(250 * std::min(1.0, watchdog_seconds))));
}

/// A shorter pause cannot be told from a busy host, and takes little of the watchdog's limit.
std::chrono::nanoseconds longest_delay(double watchdog_seconds) {
  const auto quarter = std::chrono::nanoseconds(static_cast<std::int64_t>(watchdog_seconds * 25e7));
  return std::max<std::chrono::nanoseconds>(4 * tick_of(watchdog_seconds), quarter);
}

}  // namespace

BoardInfo board_info(const TrainingPlan& plan, double watchdog_seconds) {
  BoardInfo info;
  info.mesh = plan.mesh;
  info.stage_of_chunk = plan.program.stage_of_chunk;
  info.watchdog_seconds = watchdog_seconds;
  return info;
}

Watchdog::Watchdog(WatchdogSetup setup)
    : setup_(std::move(setup)),
      launcher_(::getppid()),
      watching_since_ns_(now_ns()),
      pauses_(longest_delay(setup_.board->info().watchdog_seconds), watching_since_ns_,
              wall_clock_ns()),
      thread_([this] { run(); }) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void Watchdog::on_cause(Hook hook) {
  const std::lock_guard lock(mutex_);
  hook_ = std::move(hook);
  if (hook_ && !told_cause_.empty()) {
    hook_(told_cause_);
  }
}

void Watchdog::run_has_returned() {
  const std::lock_guard lock(mutex_);
  setup_.end_process = {};
}

void Watchdog::run() {
  const auto tick = tick_of(setup_.board->info().watchdog_seconds);
  if (setup_.own_rank >= 0) {
    setup_.board->slot(setup_.own_rank).beat();  // the process may freeze before the first tick
  }
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, tick, [this] { return stopped_; })) {
    look();
  }
}

/// Runs with the lock held, so that hooks change only between two ticks.
void Watchdog::look() {
  if (setup_.own_rank >= 0) {
    setup_.board->slot(setup_.own_rank).beat();
  }
  const WatchedMoment now = moment();
  if (told_cause_.empty()) {
    told_cause_ = find(now);
    if (told_cause_.empty()) {
      return;
    }
    failed_since_ns_ = now_ns();
    if (hook_) {
      hook_(told_cause_);
    }
  }
  if (setup_.end_process &&
      (!hook_ || std::chrono::nanoseconds(now_ns() - failed_since_ns_) > setup_.end_after)) {
    setup_.end_process(told_cause_);
  }
}

WatchedMoment Watchdog::moment() {
  WatchedMoment moment{.now_ns = now_ns(),
                       .reader = board_reader(),
                       .processes = setup_.own_rank >= 0,
                       .ranks_here = setup_.ranks_here};
  if (pauses_.paused(moment.now_ns, moment.reader.wall_ns)) {
    watching_since_ns_ = moment.now_ns;
  }
  moment.watching_since_ns = watching_since_ns_;
  return moment;
}

/// The board's first cause. Writes it if this watchdog is the first to find a failure.
std::string Watchdog::find(const WatchedMoment& moment) {
  ProgressBoard& board = *setup_.board;
  if (!board.failed()) {
    if (launcher_is_gone()) {
      board.name_cause(-1, fmt::format("the launcher (mpirun, process {}) is gone", launcher_));
    } else if (const auto finding = find_culprit(board, moment)) {
      board.name_cause(finding->rank, finding->text);
    }
  }
  const std::optional<Cause> cause = board.cause();
  return cause ? cause->text : "";
}

bool Watchdog::launcher_is_gone() const { return setup_.own_rank >= 0 && ::getppid() != launcher_; }

}  // namespace stagecraft
