// The actors of one process, and what all of them need.
#pragma once

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <future>
#include <memory>
#include <vector>

#include "actors/driver/driver_actor.h"
#include "actors/failure/failure_monitor.h"
#include "actors/protocol/run_config.h"
#include "actors/protocol/run_report.h"
#include "actors/stage/stage_actor.h"
#include "models/checkpoint/initial_model.h"

namespace stagecraft {

/// Everything that a run's actors point to, made before them. Actors that never return go on using
/// it: then it is leaked with them.
struct RunInputs {
  RunInputs(const TrainingPlan& plan, const RunConfig& config, const TextData& data);
  TrainingPlan plan;
  RunConfig config;
  TextData data;
  std::int64_t evaluation_samples;
  std::shared_ptr<const InitialModel> initial;  // null: random weights
};

class ActorHost {
 public:
  /// `configure` may add to the configuration of the actor system.
  explicit ActorHost(const std::function<void(caf::actor_system_config&)>& configure);
  /// Ends whoever has not ended, so that the actor system can.
  ~ActorHost();
  ActorHost(const ActorHost&) = delete;
  ActorHost& operator=(const ActorHost&) = delete;

  caf::actor_system& system() { return system_; }
  const FailureMonitor& monitor() const { return monitor_; }
  const std::vector<StageActor>& stages() const { return stages_; }

  /// Returns when every actor of this process has ended, and with it what it held.
  void await_actors();

  const FailureMonitor& spawn_failure_monitor(const std::shared_ptr<ProgressBoard>& board,
                                              std::function<void(std::string_view)> abort);
  const StageActor& spawn_stage(const std::shared_ptr<StageSetup>& setup);
  /// The run's result comes when the driver is done. `stages` by rank, of all processes.
  std::future<RunResult> spawn_driver(const RunInputs& inputs, RunObserver& observer,
                                      const std::shared_ptr<ProgressBoard>& board,
                                      const std::vector<StageActor>& stages);

 private:
  struct Config : caf::actor_system_config {
    explicit Config(const std::function<void(caf::actor_system_config&)>& configure);
  };
  Config config_;
  caf::actor_system system_;
  DriverActor driver_;
  FailureMonitor monitor_;
  std::vector<StageActor> stages_;
};

/// The setup of one rank, without its channels.
std::shared_ptr<StageSetup> make_stage_setup(const RunInputs& inputs, int rank,
                                             std::unique_ptr<Communicator> world,
                                             const std::shared_ptr<ProgressBoard>& board);

/// Tells a stage who is in its column of the mesh; `by_rank` may be empty elsewhere.
void connect_column(const StageActor& stage, const MeshShape& mesh, int rank,
                    const std::vector<StageActor>& by_rank);

}  // namespace stagecraft
