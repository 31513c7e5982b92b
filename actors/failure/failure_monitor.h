// One failure monitor per process. It receives every failure report of its process, writes the
// first cause on its host's progress board, wakes every wait of its process, and tells the driver.
// It never blocks. The watchdog (watchdog.h) reports failures to it that no actor reports. Of
// several hosts, the monitors of their first ranks keep the boards of all hosts up.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/failure/board_relay.h"
#include "actors/protocol/messages.h"
#include "stages/board/progress_board.h"

namespace stagecraft {

/// What a failure monitor acts on.
struct FailureMonitorSetup {
  std::shared_ptr<ProgressBoard> board;
  std::function<void(std::string_view culprit)> abort;  // aborts the world; from any thread
  /// In a run over several hosts, on rank 0 and on the first rank of each other host.
  std::optional<BoardRelay> relay = {};
};

struct FailureMonitorState {
  // The constructor keeps this from being an aggregate: in C++20, CAF 0.17 would initialise an
  // aggregate's first member from the actor's address.
  FailureMonitorState() = default;
  static inline const char* name = "failure_monitor";
  DriverActor driver;    // null until its Join arrives
  FailureMonitor first;  // rank 0's, where this one reports its host's rows; else null
  RunFailed cause;       // without a text: no failure so far
};

FailureMonitor::behavior_type failure_monitor(
    FailureMonitor::stateful_pointer<FailureMonitorState> self,
    const std::shared_ptr<FailureMonitorSetup>& setup);

}  // namespace stagecraft
