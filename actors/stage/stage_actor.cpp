#include "actors/stage/stage_actor.h"

#include <fmt/core.h>

#include <caf/all.hpp>
#include <utility>

#include "actors/stage/observed_reader.h"
#include "models/checkpoint/model_file.h"
#include "models/parameters/drawn_weights.h"

namespace stagecraft {
namespace {

std::vector<WireHash> to_wire(const std::vector<StateHash>& hashes) {
  std::vector<WireHash> wire;
  for (const StateHash& hash : hashes) {
    wire.push_back({hash.parameter, hash.kind, hash.hash});
  }
  return wire;
}

}  // namespace

StageActor::behavior_type stage_actor(StageActor::stateful_pointer<StageState> self,
                                      const std::shared_ptr<StageSetup>& setup,
                                      const FailureMonitor& monitor) {
  StageState& state = self->state;
  state.start(self, setup, monitor);
  self->set_down_handler([&state](const caf::down_msg& m) { state.lost(m); });
  return {
      [&state](const RunPasses& m) { state.run_passes(m); },
      [&state](const Envelope& m) { state.deliver(m); },
      [&state](const Credit& m) { state.credit(m); },
      [&state](const PassDone& m) { state.gather(m); },
      [&state](const ApplyUpdate& m) { state.apply(m); },
      [&state](const KeepState& m) { state.keep_state(m); },
      [&state](const StateSaved& m) { state.state_saved(m); },
      [&state](const WriteModel& m) { state.write_model(m); },
      [&state](const Finish& m) { state.finish(m); },
      [&state](ConnectAtom, const std::vector<caf::strong_actor_ptr>& column,
               const caf::strong_actor_ptr& parent) { state.connect(column, parent); },
      [&state](JoinAtom, const caf::strong_actor_ptr& driver) { state.join(driver); },
  };
}

void StageState::start(StageActor::stateful_pointer<StageState> self,
                       std::shared_ptr<StageSetup> setup, FailureMonitor monitor) {
  self_ = self;
  setup_ = std::move(setup);
  monitor_ = std::move(monitor);
  coordinate_ = coordinate_of(setup_->plan->mesh, setup_->rank);
  results_.emplace(setup_->rank, setup_->plan->mesh.ranks());
}

void StageState::connect(const std::vector<caf::strong_actor_ptr>& column,
                         const caf::strong_actor_ptr& parent) {
  parent_ = caf::actor_cast<StageActor>(parent);
  PipelinePeers::Copies copies;
  if (setup_->config->envelope_copies) {
    copies = [this](const Envelope& envelope) {
      return setup_->config->envelope_copies(setup_->rank, envelope);
    };
  }
  peers_.connect(self_, column, std::move(copies));
  begin_when_complete();
}

void StageState::join(const caf::strong_actor_ptr& driver) {
  driver_ = caf::actor_cast<DriverActor>(driver);
  self_->monitor(driver_);
  self_->send(monitor_, JoinAtom::value, driver);
  self_->send(driver_, JoinAtom::value, static_cast<std::int32_t>(setup_->rank),
              caf::actor_cast<caf::strong_actor_ptr>(monitor_));
  begin_when_complete();
}

/// Connect (the peers) and Join (the driver) may arrive in either order.
void StageState::begin_when_complete() {
  if (!peers_.are_known() || !driver_) {
    return;
  }
  guarded([&] {
    progress().set(Activity::starting);
    make_work();
    Ready ready{setup_->rank, load_state()};
    begin_trace();
    rest();
    self_->send(driver_, std::move(ready));
  });
}

/// The process of a peer or of the driver, or the connection to it, was lost during the run. An
/// actor that ends with the run ends normally, or after a failure that is already known. A
/// dismissed rank is not the root cause, so its loss is reported as `aborted`.
void StageState::lost(const caf::down_msg& down) {
  if (failed_ || down.reason == caf::exit_reason::normal) {
    return;
  }
  MeshCoordinate coordinate{};  // the driver is in rank 0's process
  if (const auto stage = peers_.stage_of(down.source)) {
    coordinate = coordinate_;
    coordinate.pipeline = *stage;
  }
  const int rank = rank_at(setup_->plan->mesh, coordinate);
  const bool dismissed = setup_->board->slot(rank).view().activity == Activity::dismissed;
  fail(rank,
       fmt::format("{}: its process or the connection to it is gone; noticed by {}, at {}",
                   location_text(*setup_->board, rank), rank_text(setup_->plan->mesh, setup_->rank),
                   location_text(progress().view())),
       dismissed);
}

void StageState::begin_trace() {
  const RunConfig& config = *setup_->config;
  if (config.trace_sink) {
    const std::int64_t first = config.resume ? config.resume->manifest().step + 1 : 1;
    trace_ = StageTrace(config.trace_sink(setup_->rank), config.trace_steps, first);
    compare_clocks(false);
  }
}

/// Collective over the first ranks of all clocks.
void StageState::compare_clocks(bool at_end) {
  progress().set(at_end ? Activity::parting : Activity::joining);
  std::vector<ClockReading> readings = read_clocks(*setup_->world, setup_->clock_of);
  progress().set(at_end ? Activity::leaving : Activity::starting);
  if (setup_->rank == 0) {
    trace_.write({at_end, std::move(readings)});
  }
}

void StageState::make_work() {
  StageSetup& s = *setup_;
  MeshCommunicators groups = make_groups();
  progress().set(Activity::starting);
  s.work.snapshots = !s.config->checkpoints.empty() && s.config->checkpoint.periodic();
  s.work.on_progress = [this] { progress().advance(); };
  work_ = std::make_unique<ModelStageWork>(*s.plan, s.rank, std::move(s.stream), std::move(groups),
                                           s.data, s.work);
  if (s.config->wrap_work) {
    work_ = s.config->wrap_work(s.rank, std::move(work_));
  }
  executor_.emplace(ExecutorParts{.stage = coordinate_.pipeline,
                                  .column = column_of(s.plan->mesh, coordinate_),
                                  .work = *work_,
                                  .port = peers_,
                                  .progress = progress(),
                                  .spans = meter_.spans()},
                    s.channels);
  saver_.emplace(StateSaverSetup{
      .rank = s.rank,
      .plan = *s.plan,
      .work = *work_,
      .files = *s.config->files,
      .progress = progress(),
      .saved = [self = caf::actor_cast<StageActor>(self_)](const StateSaved& saved) {
        caf::anon_send(self, saved);
      }});
}

/// Collective over each group.
MeshCommunicators StageState::make_groups() {
  progress().set(Activity::joining);
  MeshCommunicators groups = mesh_communicators(*setup_->world, *setup_->plan);
  for (auto* group : {&groups.tensor, &groups.data, &groups.tied}) {
    progress().set(Activity::joining);  // each group is progress
    *group = observe(setup_->for_tensors(std::move(*group)), *this);
  }
  return groups;
}

/// Returns the hashes of what was loaded from a checkpoint.
std::vector<WireHash> StageState::load_state() {
  if (setup_->config->resume == nullptr) {
    load_weights();
    return {};
  }
  const ObservedReader reader(*setup_->config->resume, [this] { progress().advance(); });
  for (const StateKind kind : kStateKinds) {
    work_->load(kind, reader);
  }
  work_->start_hashing();
  return to_wire(work_->hashes());
}

/// From the model that the run begins with, or at random.
void StageState::load_weights() {
  const DrawnWeights drawn(setup_->config->options.seed, setup_->config->threads);
  const StateReader* initial = setup_->initial.get();
  const ObservedReader reader(initial == nullptr ? drawn : *initial,
                              [this] { progress().advance(); });
  work_->load(StateKind::weight, reader);
}

/// Runs `action`. An exception ends this stage's part of the run.
void StageState::guarded(const std::function<void()>& action) {
  if (failed_) {
    return;
  }
  try {
    action();
  } catch (const AbortedError& error) {
    fail_here(error.what(), true);
  } catch (const std::exception& error) {
    fail_here(error.what(), false);
  } catch (...) {
    fail_here("an exception that is not a std::exception was thrown", false);
  }
}

/// Reports an exception of this stage.
void StageState::fail_here(std::string_view what, bool aborted) {
  fail(setup_->rank, fmt::format("{}: {}", location_text(*setup_->board, setup_->rank), what),
       aborted);
}

void StageState::fail(int culprit, const std::string& text, bool aborted) {
  failed_ = true;
  progress().set(Activity::failed);
  self_->send(monitor_, StageFailed{culprit, text, aborted});
}

void StageState::run_passes(const RunPasses& message) {
  guarded([&] {
    enqueue(message.passes);
    pump();
  });
}

void StageState::enqueue(const std::vector<PassRange>& passes) {
  for (const PassRange& range : passes) {
    follow_priming(range.step);
    for (std::int64_t batch = 0; batch < range.batches; ++batch) {
      passes_.push_back({{range.kind, range.step, range.first + batch}, range.counts});
    }
  }
}

/// Sends the results of this rank's subtree when they are complete.
void StageState::gather(const PassDone& part) {
  guarded([&] {
    if (const std::optional<PassDone> whole = results_->add(part)) {
      parent_ ? self_->send(parent_, *whole) : self_->send(driver_, *whole);
    }
  });
}

void StageState::deliver(const Envelope& envelope) {
  guarded([&] {
    executor_->deliver(envelope);
    pump();
  });
}

void StageState::credit(const Credit& credit) {
  guarded([&] {
    executor_->credit(credit.edge, credit.sequence);
    pump();
  });
}

void StageState::apply(const ApplyUpdate& m) {
  guarded([&] {
    executor_->decide({.step = m.step,
                       .learning_rate = from_wire(m.learning_rate),
                       .gradient_scale = from_wire(m.gradient_scale)});
    if (!m.state.empty()) {
      kept_behind_update_ = m.state.front();
    }
    enqueue(m.next);
    pump();
  });
}

/// The driver sends it between two updates, so that the state is still that of the step.
void StageState::keep_state(const KeepState& order) {
  guarded([&] { keep(order); });
}

void StageState::keep(const KeepState& order) {
  work_->start_hashing();
  hashed_step_ = order.step;
  if (!order.directory.empty()) {
    saver_->save(order);
  }
  if (passes_.empty()) {
    send_hashes();
    rest();
  }
}

/// On a GPU the host waits for the hashes unless it has waited for the device since.
void StageState::send_hashes() {
  if (hashed_step_ != 0) {
    self_->send(driver_, StateHashed{setup_->rank, std::exchange(hashed_step_, 0),
                                     to_wire(work_->hashes())});
  }
}

void StageState::state_saved(const StateSaved& message) {
  guarded([&] {
    if (progress().view().activity == Activity::saving) {
      rest();
    }
    self_->send(driver_, message);
  });
}

/// The rank has no program. While its file of a checkpoint is written, the writing is its work.
void StageState::rest() {
  saver_->set_awaited(saver_->is_writing());
  progress().set(saver_->is_writing() ? Activity::saving : Activity::idle);
}

/// Step 0 and its evaluation are the priming step and are not measured.
void StageState::follow_priming(std::int64_t step) {
  if (step == 0 && !priming_.is_on()) {
    priming_.begin(work_->stream(), *setup_->plan, coordinate_.pipeline, setup_->channels);
  } else if (step != 0 && priming_.is_on()) {
    priming_.end();
    meter_.start_over(work_->stream());
  }
}

/// Runs every instruction that is ready, then returns to wait for the next message.
void StageState::pump() {
  while (true) {
    if (executor_->ready()) {
      executor_->step();
    } else if (executor_->awaits_update() && !reported_) {
      report();
    } else if (!executor_->done() || !take_up_next()) {
      return;
    }
  }
}

/// Ends the pass that is complete, and begins the next one if there is one.
bool StageState::take_up_next() {
  if (running_ && !traits(executor_->pass().kind).updates) {
    report();
  } else if (running_ && kept_behind_update_) {
    keep(*std::exchange(kept_behind_update_, {}));
  }
  running_ = false;
  if (passes_.empty()) {
    return false;
  }
  begin_pass();
  return true;
}

void StageState::begin_pass() {
  const auto [pass, counts] = std::move(passes_.front());
  passes_.pop_front();
  const TrainingPlan& plan = *setup_->plan;
  meter_.begin_pass(trace_.records(pass));
  progress().set(Activity::beginning, pass.step, {});
  executor_->begin(pass, traits(pass.kind).updates ? plan.program : plan.evaluation, counts);
  saver_->set_awaited(false);
  running_ = true;
  reported_ = false;
}

void StageState::report() {
  reported_ = true;
  const Pass& pass = executor_->pass();
  // On a GPU the host waits here for issued work, which may itself wait for other ranks.
  const bool on_host = work_->stream().device().kind == DeviceKind::cpu;
  progress().set(on_host ? Activity::reporting : Activity::communicating);
  StreamSpan span(meter_.spans(), work_->stream());
  const bool updates = traits(pass.kind).updates;
  if (updates) {
    await_reductions();
  }
  const PassResults results = work_->results();
  send_hashes();
  RankResults wire{setup_->rank, to_wire_all(results.losses), {}};
  for (const ParameterSquare& square : results.squares) {
    wire.squares.push_back({square.parameter, to_wire(square.square)});
  }
  if (!updates) {
    rest();
    gather({pass, {std::move(wire)}});
    return;
  }
  span.end(Lane::optimizer, "gradient norm");
  progress().set(Activity::waiting);
  gather({pass, {std::move(wire)}});
  meter_.spans().settle();
  write_trace();
}

/// Between two steps, while the rank waits for the driver's decision anyway.
void StageState::write_trace() {
  if (!meter_.spans().empty() && !failed_) {
    progress().set(Activity::tracing);
    trace_.write(meter_.spans());
    progress().set(Activity::waiting);
  }
}

/// The time that reductions beside the backward pass take longer than it is communication of no
/// instruction.
void StageState::await_reductions() {
  meter_.spans().at(executor_->pass().step, "");
  StreamSpan span(meter_.spans(), work_->stream());
  if (work_->await_reductions()) {
    span.end(Lane::collectives, "wait for reductions");
  }
}

void StageState::write_model(const WriteModel& m) {
  guarded([&] {
    progress().set(Activity::writing);
    ModelFileWriter file(*setup_->config->files, setup_->plan->model, m.temporary,
                         {.on_progress = [this] { progress().advance(); }});
    work_->save(StateKind::weight, file);
    file.sync();
    rest();
    self_->send(driver_, ModelWritten{setup_->rank});
  });
}

void StageState::finish(const Finish& m) {
  if (!m.failed) {
    guarded([&] { end_trace(); });
  }
  trace_.end(meter_.spans());
  if (!m.failed && !failed_) {
    progress().set(Activity::parting);  // who gets the last message may say that the rank has ended
  }
  failed_ = true;  // ignore all later messages
  if (driver_) {
    self_->send(driver_, executor_ ? meter_.total(setup_->rank, work_->stream())
                                   : StageEnded{.rank = setup_->rank});
  }
  self_->quit();
  setup_->ended();
}

void StageState::end_trace() {
  progress().set(Activity::tracing);
  meter_.spans().settle();
  trace_.write(meter_.spans());
  progress().set(Activity::leaving);
  if (setup_->config->trace_sink) {
    compare_clocks(true);
  }
}

ProgressSlot& StageState::progress() { return setup_->board->slot(setup_->rank); }

void StageState::begin(Stream* stream, std::string_view /*operation*/) {
  communication_.emplace(meter_.spans(), stream == nullptr ? work_->stream() : *stream);
  progress().set(Activity::communicating);
}

void StageState::end(Stream* stream, std::string_view operation) {
  const bool beside = stream != nullptr && stream != &work_->stream();
  if (!beside) {
    communication_->end(Lane::collectives, operation);
  } else if (traits(executor_->current().op).kind == OpKind::reduction) {
    communication_->end(Lane::reductions, operation);
  }
  progress().set(Activity::running);
}

}  // namespace stagecraft
