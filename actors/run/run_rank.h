// One rank of a run whose ranks are processes: the same actors, of which this process has one stage
// and a guard, and rank 0's the driver too.
#pragma once

#include <memory>
#include <string>

#include "actors/failure/watchdog.h"
#include "actors/protocol/run_config.h"
#include "actors/protocol/run_report.h"
#include "tensor_parallel/comm/mpi/session.h"

namespace stagecraft {

/// What the process has beside the plan.
struct RankProcess {
  MpiSession& session;                          // of as many ranks as the plan's mesh
  std::shared_ptr<ProgressBoard> board;         // of all ranks; this one has entered
  Watchdog& watchdog;                           // of this process
  std::string interface_address = "127.0.0.1";  // numeric: what control listens on
};

/// Collective: every process calls it with the same plan. The observer is told on rank 0 alone,
/// whose result is the run's; the others' has the failure only. When it returns and nothing has
/// failed, MPI may be finalised. The actor system stays: the process has to end by std::_Exit, at
/// once after a failure.
RunResult run_rank(const TrainingPlan& plan, const RunConfig& config, const TextData& data,
                   RunObserver& observer, const RankProcess& process);

}  // namespace stagecraft
