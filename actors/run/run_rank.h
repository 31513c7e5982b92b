// One rank of a run whose ranks are processes. Each process has one stage and one failure monitor;
// rank 0's process also has the driver.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "actors/failure/board_relay.h"
#include "actors/failure/watchdog.h"
#include "actors/protocol/run_config.h"
#include "actors/protocol/run_report.h"
#include "tensor_parallel/comm/mpi/session.h"

namespace stagecraft {

/// What run_rank uses of its process.
struct RankProcess {
  MpiSession& session;  // of as many ranks as the plan's mesh
  /// This host's. This rank has entered it, and of several hosts the ranks of the others too.
  std::shared_ptr<ProgressBoard> board;
  Watchdog& watchdog;                           // of this process
  std::string interface_address = "127.0.0.1";  // numeric; control connections listen there
  std::optional<BoardRelay> relay = {};         // of several hosts: on each host's first rank
};

/// Collective: every process calls it with the same plan. Only rank 0 calls the observers and
/// returns the run's result; the results of other ranks contain the failure only. After a
/// successful run MPI may be finalised. The actor system is not destroyed, so the process must end
/// with std::_Exit; after a failure it must do so at once.
RunResult run_rank(const TrainingPlan& plan, const RunConfig& config, const TextData& data,
                   const RunObservers& observers, const RankProcess& process);

}  // namespace stagecraft
