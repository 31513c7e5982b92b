// One failure monitor per process. It receives every failure report of its process, writes the
// first cause on the progress board, wakes every wait of its process, and tells the driver. It
// never blocks. The watchdog (watchdog.h) reports failures to it that no actor reports.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/protocol/messages.h"
#include "stages/board/progress_board.h"

namespace stagecraft {

/// What a failure monitor acts on.
struct FailureMonitorSetup {
  std::shared_ptr<ProgressBoard> board;
  std::function<void(std::string_view culprit)> abort;  // aborts the world; from any thread
};

struct FailureMonitorState {
  // The constructor keeps this from being an aggregate: in C++20, CAF 0.17 would initialise an
  // aggregate's first member from the actor's address.
  FailureMonitorState() = default;
  static inline const char* name = "failure_monitor";
  DriverActor driver;  // null until its Join arrives
  std::string cause;   // empty: no failure so far
};

FailureMonitor::behavior_type failure_monitor(
    FailureMonitor::stateful_pointer<FailureMonitorState> self,
    const std::shared_ptr<FailureMonitorSetup>& setup);

}  // namespace stagecraft
