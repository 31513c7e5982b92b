#include "actors/run/run_rank.h"

#include <caf/all.hpp>
#include <future>

#include "actors/network/control_network.h"
#include "actors/network/control_types.h"
#include "actors/run/actor_host.h"
#include "actors/run/control_receivers.h"
#include "actors/run/rank_channels.h"
#include "tensor_parallel/comm/nccl/nccl_communicator.h"
#include "tensor_parallel/comm/nccl/open_module.h"

namespace stagecraft {
namespace {

ControlOptions control_options(const RunInputs& inputs, const RankProcess& process) {
  ControlOptions options;
  options.interface_address = process.interface_address;
  options.rank = process.session.rank();
  options.deadline_seconds = inputs.config.options.watchdog_seconds;
  process.board->slot(options.rank).set(Activity::joining);
  // The secret of the run is made by rank 0.
  options.secret = process.session.exchange(options.rank == 0 ? new_secret() : "").front();
  return options;
}

/// Everything that the actors of this process use, in order of construction.
class ProcessRun {
 public:
  ProcessRun(const TrainingPlan& plan, const RunConfig& config, const TextData& data,
             const RankProcess& process)
      : process_(process),
        rank_(process.session.rank()),
        inputs_(plan, config, data, [this] { at(Activity::starting); }),
        setup_(make_setup()),
        actors_(configure_control),
        network_(actors_.system(), control_options(inputs_, process)) {
    connect_tensors();
    setup_->clock_of = [this](int rank) { return process_.board->slot(rank).host(); };
    setup_->ended = [this] { stage_ended_.set_value(); };
  }
  ProcessRun(const ProcessRun&) = delete;
  ProcessRun& operator=(const ProcessRun&) = delete;

  RunResult run(const RunObservers& observers) {
    start_actors();
    const std::vector<StageActor> stages = connect();
    connect_peers(inputs_.plan, rank_, stages);
    RunResult result;
    if (rank_ == 0) {
      result = actors_.spawn_driver(inputs_, observers, process_.board, stages).get();
    } else {
      stage_ended_.get_future().wait();
      const std::optional<Cause> cause = process_.board->cause();
      result.failure = cause ? cause->text : "";
    }
    if (result.failure.empty()) {
      shut_down();
    }
    return result;
  }

 private:
  /// Destroys everything that uses MPI. The exchange first: no process may end before all messages
  /// have arrived.
  void shut_down() {
    at(Activity::parting);
    process_.session.exchange("");
    at(Activity::leaving);
    process_.watchdog.on_cause({});
    actors_.await_actors();
    setup_->channels.clear();
    setup_->for_tensors = {};
    setup_->world.reset();
  }

  std::shared_ptr<StageSetup> make_setup() {
    at(Activity::joining);
    auto world = process_.session.world();
    at(Activity::starting);  // on a GPU, CUDA starts
    return make_stage_setup(inputs_, rank_, std::move(world), process_.board);
  }

  /// Makes channels over shared windows and MPI, or over NCCL between GPUs.
  void connect_tensors() {
    Stream& stream = *setup_->stream;
    if (stream.device().kind == DeviceKind::cpu) {
      setup_->channels = connect_channels(process_.session, inputs_.plan, stream);
      return;
    }
    at(Activity::joining);  // CUDA has started; this and what follows is progress
    const auto nccl = open_nccl(stream.device(), setup_->world->make_group({rank_}, 0));
    at(Activity::joining);
    setup_->channels = connect_device_channels(*setup_->world, nccl, inputs_.plan, stream);
    setup_->for_tensors = [nccl](std::unique_ptr<Communicator> group) {
      return make_nccl_communicator(nccl, std::move(group));
    };
  }

  void at(Activity activity) { process_.board->slot(rank_).set(activity); }

  void start_actors() {
    // The captured setup owns the world, so that abort is valid until shut_down().
    const FailureMonitor monitor = actors_.spawn_failure_monitor(
        process_.board, [setup = setup_](std::string_view text) { setup->world->abort(text); },
        process_.relay);
    process_.watchdog.on_cause(
        [monitor](const std::string& text) { caf::anon_send(monitor, RunFailed{text}); });
    actors_.spawn_stage(setup_);
  }

  /// Returns the stages by rank; null for those that this process sends nothing to.
  std::vector<StageActor> connect() {
    if (inputs_.config.before_listen) {
      inputs_.config.before_listen(rank_);
    }
    const std::vector<std::string> addresses =
        process_.session.exchange(network_.open(actors_.stages().front()));
    std::vector<StageActor> stages(addresses.size());
    stages[static_cast<std::size_t>(rank_)] = actors_.stages().front();
    for (const int other : control_receivers(inputs_.plan, rank_)) {
      at(Activity::joining);  // each connection is progress
      const auto index = static_cast<std::size_t>(other);
      stages[index] = network_.connect(addresses[index], other);
    }
    process_.session.exchange("");  // all ranks are connected
    network_.close();
    return stages;
  }

  const RankProcess& process_;
  int rank_;
  RunInputs inputs_;
  std::shared_ptr<StageSetup> setup_;
  std::promise<void> stage_ended_;
  ActorHost actors_;
  ControlNetwork network_;
};

}  // namespace

RunResult run_rank(const TrainingPlan& plan, const RunConfig& config, const TextData& data,
                   const RunObservers& observers, const RankProcess& process) {
  require(process.session.size() == plan.mesh.ranks(), "run_rank",
          "the plan has {} ranks and mpirun started {} processes", plan.mesh.ranks(),
          process.session.size());
  // Leaked until the process ends: after a failure an actor may still use it. Also, CAF 0.17 with
  // its network layer sometimes waits forever for a detached actor that has ended.
  auto* stage = new ProcessRun(plan, config, data, process);
  return stage->run(observers);
}

}  // namespace stagecraft
