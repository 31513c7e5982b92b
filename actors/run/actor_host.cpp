#include "actors/run/actor_host.h"

#include <caf/all.hpp>

#include "kernels/backends/make_stream.h"
#include "stages/plan/channel_endpoints.h"
#include "tensor_parallel/sharding/rank_tree.h"

namespace stagecraft {
namespace {

SampleConfig sample_config(const RunInputs& inputs) {
  return {.order = inputs.config.order,
          .seed = inputs.config.options.seed,
          .evaluation_samples = inputs.evaluation_samples};
}

template <typename Handle>
void end(Handle& actor) {
  if (actor) {
    caf::anon_send_exit(actor, caf::exit_reason::kill);
    actor = Handle();
  }
}

}  // namespace

RunInputs::RunInputs(const TrainingPlan& the_plan, const RunConfig& the_config,
                     const TextData& the_data, const std::function<void()>& on_progress)
    : plan(the_plan),
      config(the_config),
      data(the_data),
      evaluation_samples(stagecraft::evaluation_samples(data, config.options.eval_batches,
                                                        plan.batch.global_batch)) {
  if (!plan.model.config.init_from.empty()) {
    initial = std::make_shared<InitialModel>(plan.model, plan.model.config.init_from, on_progress);
  }
}

ActorHost::Config::Config(const std::function<void(caf::actor_system_config&)>& configure) {
  // Stages and driver have threads of their own; the pool serves the failure monitor alone. The
  // pool's default policy polls, which takes CPU time from threads that compute.
  set("scheduler.max-threads", 1);
  set("scheduler.policy", caf::atom("sharing"));
  set("logger.verbosity", caf::atom("quiet"));
  configure(*this);
}

ActorHost::ActorHost(const std::function<void(caf::actor_system_config&)>& configure)
    : config_(configure), system_(config_) {}

ActorHost::~ActorHost() {
  end(driver_);
  for (StageActor& stage : stages_) {
    end(stage);
  }
  end(monitor_);
}

void ActorHost::await_actors() {
  caf::scoped_actor self(system_);
  for (const StageActor& stage : stages_) {
    self->wait_for(stage);
  }
  if (driver_) {
    self->wait_for(driver_);
  }
  caf::anon_send(monitor_, Finish{});
  self->wait_for(monitor_);
}

const FailureMonitor& ActorHost::spawn_failure_monitor(const std::shared_ptr<ProgressBoard>& board,
                                                       std::function<void(std::string_view)> abort,
                                                       std::optional<BoardRelay> relay) {
  auto setup = std::make_shared<FailureMonitorSetup>();
  setup->board = board;
  setup->abort = std::move(abort);
  setup->relay = std::move(relay);
  return monitor_ = system_.spawn(failure_monitor, setup);
}

const StageActor& ActorHost::spawn_stage(const std::shared_ptr<StageSetup>& setup) {
  stages_.push_back(system_.spawn<caf::detached>(stage_actor, setup, monitor_));
  return stages_.back();
}

std::future<RunResult> ActorHost::spawn_driver(const RunInputs& inputs,
                                               const RunObservers& observers,
                                               const std::shared_ptr<ProgressBoard>& board,
                                               const std::vector<StageActor>& stages) {
  auto result = std::make_shared<std::promise<RunResult>>();
  auto setup = std::make_shared<DriverSetup>();
  setup->board = board;
  setup->monitor = monitor_;
  setup->plan = &inputs.plan;
  setup->config = &inputs.config;
  setup->observers = observers;
  setup->evaluation_samples = inputs.evaluation_samples;
  setup->counts = [samples = PassSamples(inputs.plan, inputs.data, sample_config(inputs))](
                      const Pass& pass) { return samples.counts(pass); };
  setup->done = [result](RunResult value) { result->set_value(std::move(value)); };
  driver_ = system_.spawn<caf::detached>(driver_actor, setup);
  std::vector<caf::strong_actor_ptr> all;
  all.reserve(stages.size());
  for (const StageActor& stage : stages) {
    all.push_back(caf::actor_cast<caf::strong_actor_ptr>(stage));
  }
  caf::anon_send(driver_, ConnectAtom::value, std::move(all));
  return result->get_future();
}

std::shared_ptr<StageSetup> make_stage_setup(const RunInputs& inputs, int rank,
                                             std::unique_ptr<Communicator> world,
                                             const std::shared_ptr<ProgressBoard>& board) {
  auto setup = std::make_shared<StageSetup>();
  setup->rank = rank;
  setup->plan = &inputs.plan;
  setup->config = &inputs.config;
  setup->work = {.optimizer = inputs.config.optimizer,
                 .seed = inputs.config.options.seed,
                 .samples = sample_config(inputs)};
  setup->data = inputs.data;
  setup->initial = inputs.initial;
  setup->stream = make_stream(
      device_of(inputs.config, rank),
      {.threads = inputs.config.threads, .tf32 = inputs.plan.batch.precision == Precision::tf32});
  setup->world = std::move(world);
  setup->for_tensors = [](std::unique_ptr<Communicator> group) { return group; };
  setup->board = board;
  setup->clock_of = [](int) { return "of this process"; };
  setup->ended = [] {};
  return setup;
}

void connect_peers(const TrainingPlan& plan, int rank, const std::vector<StageActor>& by_rank) {
  std::vector<caf::strong_actor_ptr> column(static_cast<std::size_t>(plan.mesh.pipeline));
  const auto stage_of = [&](int other) -> const StageActor& {
    return by_rank[static_cast<std::size_t>(other)];
  };
  const auto add = [&](int other) {
    const int stage = coordinate_of(plan.mesh, other).pipeline;
    column[static_cast<std::size_t>(stage)] =
        caf::actor_cast<caf::strong_actor_ptr>(stage_of(other));
  };
  add(rank);
  for (const int peer : channel_peers(plan.mesh, plan.program.stage_of_chunk, rank)) {
    add(peer);
  }
  caf::strong_actor_ptr parent;
  if (rank > 0) {
    parent = caf::actor_cast<caf::strong_actor_ptr>(stage_of(tree_parent(rank)));
  }
  caf::anon_send(stage_of(rank), ConnectAtom::value, std::move(column), std::move(parent));
}

}  // namespace stagecraft
