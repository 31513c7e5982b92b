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
struct Props {
  Props(const TrainingPlan& plan, const RunConfig& config, const TextData& data);
  TrainingPlan plan;
  RunConfig config;
  TextData data;
  std::int64_t evaluation_samples;
  std::shared_ptr<const InitialModel> initial;  // null: random weights
};

class Cast {
 public:
  /// `configure` may add to the configuration of the actor system.
  explicit Cast(const std::function<void(caf::actor_system_config&)>& configure);
  /// Ends whoever has not ended, so that the actor system can.
  ~Cast();
  Cast(const Cast&) = delete;
  Cast& operator=(const Cast&) = delete;

  caf::actor_system& system() { return system_; }
  const GuardActor& guard() const { return guard_; }
  const std::vector<StageActor>& stages() const { return stages_; }

  /// Returns when every actor of this process has ended, and with it what it held.
  void await_actors();

  const GuardActor& spawn_guard(const std::shared_ptr<ProgressBoard>& board,
                                std::function<void(std::string_view)> abort);
  const StageActor& spawn_stage(const std::shared_ptr<StageSetup>& setup);
  /// The run's result comes when the driver is done. `stages` by rank, of all processes.
  std::future<RunResult> spawn_driver(const Props& props, RunObserver& observer,
                                      const std::shared_ptr<ProgressBoard>& board,
                                      const std::vector<StageActor>& stages);

 private:
  struct Config : caf::actor_system_config {
    explicit Config(const std::function<void(caf::actor_system_config&)>& configure);
  };
  Config config_;
  caf::actor_system system_;
  DriverActor driver_;
  GuardActor guard_;
  std::vector<StageActor> stages_;
};

/// The setup of one rank, without its channels.
std::shared_ptr<StageSetup> make_stage_setup(const Props& props, int rank,
                                             std::unique_ptr<Communicator> world,
                                             const std::shared_ptr<ProgressBoard>& board);

/// Tells a stage who is in its column of the mesh; `by_rank` may be empty elsewhere.
void connect_column(const StageActor& stage, const MeshShape& mesh, int rank,
                    const std::vector<StageActor>& by_rank);

}  // namespace stagecraft
