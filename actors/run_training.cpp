#include "actors/run_training.h"

#include <caf/all.hpp>
#include <future>

#include "actors/driver_actor.h"
#include "actors/guard_actor.h"
#include "actors/stage_actor.h"
#include "tensor_parallel/comm/local/local_communicator.h"

namespace stagecraft {
namespace {

/// What the actors of a process share.
struct Cast {
  explicit Cast(caf::actor_system_config& config) : system(config) {}
  caf::actor_system system;
  DriverActor driver;
  GuardActor guard;
  std::vector<StageActor> stages;
};

caf::actor_system_config quiet_config() {
  caf::actor_system_config config;
  // Stage and driver have threads of their own; the pool only serves the guard. Its default policy
  // polls, and every look takes a core from a thread that computes.
  config.set("scheduler.max-threads", 1);
  config.set("scheduler.policy", caf::atom("sharing"));
  config.set("logger.verbosity", caf::atom("quiet"));
  return config;
}

/// Both directions between neighbours of one column of the mesh.
void connect_neighbours(std::vector<std::shared_ptr<StageSetup>>& setups, int sender, int receiver,
                        const Edge& edge) {
  StageSetup& to = *setups[static_cast<std::size_t>(receiver)];
  const std::shared_ptr<Channel> channel = make_local_channel(to.stream->memory().account());
  to.channels[edge] = channel;
  setups[static_cast<std::size_t>(sender)]->channels[edge] = channel;
}

void make_channels(const TrainingPlan& plan, std::vector<std::shared_ptr<StageSetup>>& setups) {
  for (int rank = 0; rank < plan.mesh.ranks(); ++rank) {
    MeshPlace next = place_of(plan.mesh, rank);
    const int stage = next.pipeline++;
    if (next.pipeline == plan.mesh.pipeline) {
      continue;
    }
    const int neighbour = rank_at(plan.mesh, next);
    connect_neighbours(setups, rank, neighbour, {stage, next.pipeline, Payload::activation});
    connect_neighbours(setups, neighbour, rank, {next.pipeline, stage, Payload::gradient});
  }
}

/// Of one process that runs every rank.
std::shared_ptr<ProgressBoard> make_board(const TrainingPlan& plan, const RunConfig& config) {
  const BoardInfo info{.mesh = plan.mesh,
                       .stage_of_chunk = plan.program.stage_of_chunk,
                       .watchdog_seconds = config.watchdog_seconds};
  auto board = std::make_shared<ProgressBoard>(
      config.progress_board.empty() ? ProgressBoard(info)
                                    : ProgressBoard::create(info, config.progress_board));
  for (int rank = 0; rank < board->ranks(); ++rank) {
    board->slot(rank).enter();
  }
  return board;
}

std::vector<std::shared_ptr<StageSetup>> make_setups(
    const TrainingPlan& plan, const RunConfig& config, const TextData& data,
    const std::shared_ptr<const InitialModel>& initial, std::int64_t evaluation_samples) {
  auto worlds = make_local_world(plan.mesh.ranks());
  const std::shared_ptr<ProgressBoard> board = make_board(plan, config);
  std::vector<std::shared_ptr<StageSetup>> setups;
  for (int rank = 0; rank < plan.mesh.ranks(); ++rank) {
    auto setup = std::make_shared<StageSetup>();
    setup->rank = rank;
    setup->plan = &plan;
    setup->config = &config;
    setup->work = {config.optimizer, config.seed, config.order, evaluation_samples};
    setup->data = data;
    setup->initial = initial;
    setup->stream = make_stream({DeviceKind::cpu, 0}, {.threads = config.threads});
    setup->world = std::move(worlds[static_cast<std::size_t>(rank)]);
    setup->board = board;
    setups.push_back(std::move(setup));
  }
  make_channels(plan, setups);
  return setups;
}

void raise_curtain(Cast& cast, const TrainingPlan& plan) {
  std::vector<caf::strong_actor_ptr> all;
  for (const StageActor& stage : cast.stages) {
    all.push_back(caf::actor_cast<caf::strong_actor_ptr>(stage));
  }
  caf::anon_send(cast.driver, ConnectAtom::value, all);
  for (int rank = 0; rank < plan.mesh.ranks(); ++rank) {
    std::vector<caf::strong_actor_ptr> column;
    MeshPlace place = place_of(plan.mesh, rank);
    for (place.pipeline = 0; place.pipeline < plan.mesh.pipeline; ++place.pipeline) {
      column.push_back(all[static_cast<std::size_t>(rank_at(plan.mesh, place))]);
    }
    caf::anon_send(cast.stages[static_cast<std::size_t>(rank)], ConnectAtom::value, column);
  }
}

}  // namespace

RunResult run_training(const TrainingPlan& plan, const RunConfig& config, const TextData& data,
                       RunObserver& observer) {
  const std::int64_t samples =
      evaluation_samples(data, config.eval_batches, plan.batch.global_batch);
  std::shared_ptr<const InitialModel> initial;
  if (!plan.model.config.init_from.empty()) {
    initial = std::make_shared<InitialModel>(plan.model, plan.model.config.init_from);
  }
  // Actors that never return go on using these: then they are leaked with the actor system.
  auto plan_copy = std::make_unique<TrainingPlan>(plan);
  auto config_copy = std::make_unique<RunConfig>(config);
  auto system_config = std::make_unique<caf::actor_system_config>(quiet_config());
  auto setups = make_setups(*plan_copy, *config_copy, data, initial, samples);
  auto cast = std::make_unique<Cast>(*system_config);

  auto result = std::make_shared<std::promise<RunResult>>();
  auto driver = std::make_shared<DriverSetup>();
  driver->plan = plan_copy.get();
  driver->config = config_copy.get();
  driver->observer = &observer;
  driver->evaluation_samples = samples;
  driver->done = [result](RunResult value) { result->set_value(std::move(value)); };
  cast->driver = cast->system.spawn<caf::detached>(driver_actor, driver);

  auto guard = std::make_shared<GuardSetup>();
  guard->mesh = plan.mesh;
  guard->watchdog_seconds = config.watchdog_seconds;
  guard->board = setups.front()->board;
  guard->stage_of_chunk = plan.program.stage_of_chunk;
  guard->abort = [&world = *setups.front()->world](std::string_view culprit) {
    world.abort(culprit);
  };
  cast->guard = cast->system.spawn(guard_actor, guard, cast->driver);

  for (const auto& setup : setups) {
    cast->stages.push_back(
        cast->system.spawn<caf::detached>(stage_actor, setup, cast->driver, cast->guard));
  }
  raise_curtain(*cast, *plan_copy);

  RunResult value = result->get_future().get();
  caf::anon_send(cast->guard, Finish{});
  if (value.actor_lost) {
    static_cast<void>(cast.release());
    static_cast<void>(system_config.release());
    static_cast<void>(plan_copy.release());
    static_cast<void>(config_copy.release());
    static_cast<void>(new auto(std::move(setups)));
  }
  return value;
}

}  // namespace stagecraft
