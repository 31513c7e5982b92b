// One guard per process. It never blocks: whoever reports a failure, it puts the first cause on the
// board, wakes every wait of its process, and tells the driver. The watch (watchdog.h) is its eyes.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/protocol/messages.h"
#include "stages/board/progress_board.h"

namespace stagecraft {

/// What a guard has in its hands.
struct FailureMonitorSetup {
  std::shared_ptr<ProgressBoard> board;
  std::function<void(std::string_view culprit)> abort;  // of the world; any thread
};

struct FailureMonitorState {
  // No aggregate: C++20 lets CAF 0.17 initialise an aggregate's first member from the actor's
  // address.
  FailureMonitorState() = default;
  static inline const char* name = "guard";
  DriverActor driver;  // none until it has introduced itself
  std::string cause;   // empty: all is well
};

FailureMonitor::behavior_type failure_monitor(
    FailureMonitor::stateful_pointer<FailureMonitorState> self,
    const std::shared_ptr<FailureMonitorSetup>& setup);

}  // namespace stagecraft
