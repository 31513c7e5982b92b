#include "actors/run/run_training.h"

#include <caf/all.hpp>

#include "actors/failure/watchdog.h"
#include "actors/run/actor_host.h"
#include "actors/run/channel_endpoints.h"
#include "stages/channels/local_channel.h"
#include "tensor_parallel/comm/local/local_communicator.h"

namespace stagecraft {
namespace {

using Setups = std::vector<std::shared_ptr<StageSetup>>;

void make_channels(const TrainingPlan& plan, Setups& setups) {
  for (const Route& route : routes_of(plan)) {
    StageSetup& to = *setups[static_cast<std::size_t>(route.to)];
    const std::shared_ptr<Channel> channel = make_local_channel(to.stream->memory().account());
    to.channels[route.edge] = channel;
    setups[static_cast<std::size_t>(route.from)]->channels[route.edge] = channel;
  }
}

Setups make_setups(const Props& props, const std::shared_ptr<ProgressBoard>& board) {
  auto worlds = make_local_world(props.plan.mesh.ranks());
  Setups setups;
  for (int rank = 0; rank < props.plan.mesh.ranks(); ++rank) {
    board->slot(rank).enter();
    setups.push_back(
        make_stage_setup(props, rank, std::move(worlds[static_cast<std::size_t>(rank)]), board));
  }
  make_channels(props.plan, setups);
  return setups;
}

std::shared_ptr<ProgressBoard> make_board(const Props& props) {
  const BoardInfo info = board_info(props.plan, props.config.watchdog_seconds);
  const std::filesystem::path& path = props.config.progress_board;
  return path.empty() ? std::make_shared<ProgressBoard>(info)
                      : std::make_shared<ProgressBoard>(ProgressBoard::create(info, path));
}

/// All that the actors of this process stand on, in the order in which it is made.
struct Stage {
  Stage(const TrainingPlan& plan, const RunConfig& config, const TextData& data)
      : props(plan, config, data),
        board(make_board(props)),
        setups(make_setups(props, board)),
        watch({.board = board}),
        cast([](caf::actor_system_config&) {}) {}
  ~Stage() { watch.on_cause({}); }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  void raise_curtain() {
    const GuardActor guard = cast.spawn_guard(
        board, [&world = *setups.front()->world](std::string_view text) { world.abort(text); });
    watch.on_cause([guard](const std::string& text) { caf::anon_send(guard, RunFailed{text}); });
    for (const auto& setup : setups) {
      cast.spawn_stage(setup);
    }
    for (const auto& setup : setups) {
      connect_column(cast.stages()[static_cast<std::size_t>(setup->rank)], props.plan.mesh,
                     setup->rank, cast.stages());
    }
  }

  Props props;
  std::shared_ptr<ProgressBoard> board;
  Setups setups;
  Watch watch;
  Cast cast;
};

}  // namespace

RunResult run_training(const TrainingPlan& plan, const RunConfig& config, const TextData& data,
                       RunObserver& observer) {
  auto stage = std::make_unique<Stage>(plan, config, data);
  stage->raise_curtain();
  RunResult result =
      stage->cast.spawn_driver(stage->props, observer, stage->board, stage->cast.stages()).get();
  if (result.actor_lost) {
    static_cast<void>(stage.release());  // somebody still plays on it
  } else if (result.failure.empty()) {
    for (int rank = 0; rank < plan.mesh.ranks(); ++rank) {
      stage->board->slot(rank).set(Activity::ended);
    }
  }
  return result;
}

}  // namespace stagecraft
