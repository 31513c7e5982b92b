#include "tests/end_to_end/fault_rules.h"

#include <fmt/core.h>

namespace stagecraft::test {
namespace {

/// The run completes all its steps in spite of the fault.
bool goes_on(FaultKind kind) {
  return kind == FaultKind::none || kind == FaultKind::late || kind == FaultKind::strangers ||
         kind == FaultKind::writes_slowly || kind == FaultKind::suspended ||
         kind == FaultKind::closed_streams || kind == FaultKind::second_run ||
         kind == FaultKind::terminal_stopped;
}

/// "act 0>1" of "step 2, act 0>1, micro-batch 3".
std::string edge_in(const std::string& position) {
  const std::size_t begin = position.find(", ") + 2;
  return position.substr(begin, position.find(',', begin) - begin);
}

}  // namespace

bool is_stop(FaultKind kind) {
  return kind >= FaultKind::interrupted && kind <= FaultKind::rank_terminated;
}

bool ends_well(FaultKind kind) { return goes_on(kind) || is_stop(kind); }

int owed_status(FaultKind kind) {
  constexpr int kStopped = 75;
  constexpr int kRefused = 2;
  if (kind == FaultKind::no_memory) {
    return kRefused;
  }
  return is_stop(kind) ? kStopped : goes_on(kind) ? 0 : 1;
}

bool comes_from_outside(FaultKind kind) { return kind >= FaultKind::launcher_killed; }

double limit_seconds(FaultKind kind, double watchdog_seconds) {
  const bool needs_the_watchdog = kind == FaultKind::hangs || kind == FaultKind::frozen ||
                                  kind == FaultKind::drops || kind == FaultKind::missing;
  return goes_on(kind) ? kStartSeconds : 10 + (needs_the_watchdog ? watchdog_seconds : 0);
}

std::vector<std::string> owed_words(const FaultWords& fault, const std::string& position,
                                    const std::string& cause) {
  const std::string rank = fmt::format("rank {}", fault.rank);
  switch (fault.kind) {
    case FaultKind::throws:
      return {rank, position, "on fire"};
    case FaultKind::hangs:
      return {rank, position, "has not returned"};
    case FaultKind::killed:
      return {rank, position, "gone"};
    case FaultKind::killed_writing:
      return {rank, "gone"};
    case FaultKind::write_fails:
      return {fault.rank == 0 ? "driver" : rank, "unfinished] cannot write: No space left"};
    case FaultKind::frozen:
      return {rank, position, "no heartbeat"};
    case FaultKind::mpirun_killed:
      return {"mpirun"};
    case FaultKind::disconnected:
      return {rank, "connection"};
    case FaultKind::doubles:
      return {edge_in(position)};
    case FaultKind::drops:  // found by the next envelope, or by the watchdog if there is none
      return {cause.find("no rank has made progress") == std::string::npos ? edge_in(position)
                                                                           : "waits for"};
    case FaultKind::missing:
      return {rank, fault.rank == 0 ? "no progress board" : "has not started"};
    case FaultKind::no_memory:
      return {"ulimit -v"};
    case FaultKind::disk_full:
      return {"No space left"};
    default:
      return {};
  }
}

}  // namespace stagecraft::test
