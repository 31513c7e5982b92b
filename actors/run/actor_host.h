// The actors of one process, and the inputs that all of them share.
#pragma once

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <future>
#include <memory>
#include <optional>
#include <vector>

#include "actors/driver/driver_actor.h"
#include "actors/failure/failure_monitor.h"
#include "actors/protocol/run_config.h"
#include "actors/protocol/run_report.h"
#include "actors/stage/stage_actor.h"
#include "models/checkpoint/initial_model.h"

namespace stagecraft {

/// Everything that a run's actors point to. Constructed before them. Actors that never return still
/// use it; it is then leaked with them.
struct RunInputs {
  /// `on_progress` is called while a model that the run begins with is checked.
  RunInputs(
      const TrainingPlan& plan, const RunConfig& config, const TextData& data,
      const std::function<void()>& on_progress = [] {});
  TrainingPlan plan;
  RunConfig config;
  TextData data;
  std::int64_t evaluation_samples;
  std::shared_ptr<const InitialModel> initial;  // null: random weights
};

class ActorHost {
 public:
  /// `configure` may change the configuration of the actor system.
  explicit ActorHost(const std::function<void(caf::actor_system_config&)>& configure);
  /// Kills the remaining actors, so that the actor system can end.
  ~ActorHost();
  ActorHost(const ActorHost&) = delete;
  ActorHost& operator=(const ActorHost&) = delete;

  caf::actor_system& system() { return system_; }
  const FailureMonitor& monitor() const { return monitor_; }
  const std::vector<StageActor>& stages() const { return stages_; }

  /// Returns when every actor of this process has ended and released what it owned.
  void await_actors();

  const FailureMonitor& spawn_failure_monitor(const std::shared_ptr<ProgressBoard>& board,
                                              std::function<void(std::string_view)> abort,
                                              std::optional<BoardRelay> relay = {});
  const StageActor& spawn_stage(const std::shared_ptr<StageSetup>& setup);
  /// The future is ready when the driver has ended. `stages` holds those of all processes, by rank.
  std::future<RunResult> spawn_driver(const RunInputs& inputs, const RunObservers& observers,
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

/// Makes the setup of one rank, without its channels.
std::shared_ptr<StageSetup> make_stage_setup(const RunInputs& inputs, int rank,
                                             std::unique_ptr<Communicator> world,
                                             const std::shared_ptr<ProgressBoard>& board);

/// Sends a stage its pipeline neighbours and its parent (result_gather.h). Other handles of
/// `by_rank` may be null.
void connect_peers(const TrainingPlan& plan, int rank, const std::vector<StageActor>& by_rank);

}  // namespace stagecraft
