#include "actors/run/run_training.h"

#include <fmt/core.h>

#include <caf/all.hpp>

#include "actors/failure/watchdog.h"
#include "actors/protocol/deadlines.h"
#include "actors/run/actor_host.h"
#include "stages/channels/local_channel.h"
#include "stages/plan/channel_endpoints.h"
#include "tensor_parallel/comm/local/local_communicator.h"

namespace stagecraft {
namespace {

using Setups = std::vector<std::shared_ptr<StageSetup>>;

void make_channels(const TrainingPlan& plan, Setups& setups) {
  for (const ChannelEndpoints& endpoints :
       channel_endpoints(plan.mesh, plan.program.stage_of_chunk)) {
    StageSetup& to = *setups[static_cast<std::size_t>(endpoints.to)];
    const std::shared_ptr<Channel> channel = make_local_channel(to.stream->memory().account());
    to.channels[endpoints.edge] = channel;
    setups[static_cast<std::size_t>(endpoints.from)]->channels[endpoints.edge] = channel;
  }
}

Setups make_setups(const RunInputs& inputs, const std::shared_ptr<ProgressBoard>& board) {
  auto worlds = make_local_world(inputs.plan.mesh.ranks());
  Setups setups;
  for (int rank = 0; rank < inputs.plan.mesh.ranks(); ++rank) {
    setups.push_back(
        make_stage_setup(inputs, rank, std::move(worlds[static_cast<std::size_t>(rank)]), board));
  }
  make_channels(inputs.plan, setups);
  for (int rank = 0; rank < inputs.plan.mesh.ranks(); ++rank) {
    board->slot(rank).enter();  // from now on the watchdog counts
  }
  return setups;
}

std::shared_ptr<ProgressBoard> make_board(const RunInputs& inputs) {
  const BoardInfo info = board_info(inputs.plan, inputs.config.options.watchdog_seconds);
  const std::filesystem::path& path = inputs.config.progress_board;
  return path.empty() ? std::make_shared<ProgressBoard>(info)
                      : std::make_shared<ProgressBoard>(ProgressBoard::create(info, path));
}

/// Everything that the actors of this process use, in order of construction.
struct ThreadRun {
  ThreadRun(const TrainingPlan& plan, const RunConfig& config, const TextData& data)
      : inputs(plan, config, data),
        board(make_board(inputs)),
        setups(make_setups(inputs, board)),
        watchdog({.board = board,
                  .end_process = config.end_process,
                  .end_after = 2 * kEndDeadline}),  // the driver gives up its stages before
        actors([](caf::actor_system_config&) {}) {}
  ~ThreadRun() { watchdog.on_cause({}); }
  ThreadRun(const ThreadRun&) = delete;
  ThreadRun& operator=(const ThreadRun&) = delete;

  /// An exception leaves actors that wait for others, or that have no thread: leak them.
  RunResult train(const RunObservers& observers) {
    start_actors();
    return actors.spawn_driver(inputs, observers, board, actors.stages()).get();
  }

  void start_actors() {
    const FailureMonitor monitor = actors.spawn_failure_monitor(
        board, [&world = *setups.front()->world](std::string_view text) { world.abort(text); });
    watchdog.on_cause(
        [monitor](const std::string& text) { caf::anon_send(monitor, RunFailed{text}); });
    for (const auto& setup : setups) {
      actors.spawn_stage(setup);
    }
    for (const auto& setup : setups) {
      connect_peers(inputs.plan, setup->rank, actors.stages());
    }
  }

  RunInputs inputs;
  std::shared_ptr<ProgressBoard> board;
  Setups setups;
  Watchdog watchdog;
  ActorHost actors;
};

RunResult not_started(const ThreadRun& run, const std::exception& error) {
  RunResult result;
  result.failure = fmt::format(
      "the actors of the run cannot be made: {}; raise the limits on processes and memory (ulimit "
      "-u, ulimit -v, the control group), or lower device.threads or the number of ranks",
      error.what());
  result.actor_lost = true;
  run.board->name_cause(-1, result.failure);
  return result;
}

}  // namespace

RunResult run_training(const TrainingPlan& plan, const RunConfig& config, const TextData& data,
                       const RunObservers& observers) {
  auto run = std::make_unique<ThreadRun>(plan, config, data);
  RunResult result;
  try {
    result = run->train(observers);
  } catch (const std::exception& error) {
    result = not_started(*run, error);
  }
  run->watchdog.run_has_returned();
  if (result.actor_lost) {
    static_cast<void>(run.release());  // leaked: the lost actor still uses it
  } else if (result.failure.empty()) {
    for (int rank = 0; rank < plan.mesh.ranks(); ++rank) {
      run->board->slot(rank).set(Activity::ended);
    }
  }
  return result;
}

}  // namespace stagecraft
