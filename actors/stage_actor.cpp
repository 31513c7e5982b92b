#include "actors/stage_actor.h"

#include <caf/all.hpp>

namespace stagecraft {

StageActor::behavior_type stage_actor(StageActor::stateful_pointer<StageState> self,
                                      const std::shared_ptr<StageSetup>& setup,
                                      const DriverActor& driver, const GuardActor& guard) {
  StageState& state = self->state;
  state.start(self, setup, driver, guard);
  return {
      [&state](const TrainStep& m) {
        state.enqueue({PassKind::train, m.step, 0});
      },
      [&state](const Evaluate& m) {
        state.enqueue({PassKind::evaluate, m.step, m.batch});
      },
      [&state](const Envelope& m) { state.deliver(m); },
      [&state](const Credit& m) { state.credit(m); },
      [&state](const ApplyUpdate& m) { state.apply(m); },
      [&state](const WriteModel& m) { state.write_model(m); },
      [&state](const Finish& m) { state.finish(m); },
      [&state](ConnectAtom, const std::vector<caf::strong_actor_ptr>& m) { state.connect(m); },
  };
}

void StageState::start(StageActor::stateful_pointer<StageState> self,
                       std::shared_ptr<StageSetup> setup, DriverActor driver, GuardActor guard) {
  self_ = self;
  setup_ = std::move(setup);
  driver_ = std::move(driver);
  guard_ = std::move(guard);
  place_ = place_of(setup_->plan->mesh, setup_->rank);
}

void StageState::connect(const std::vector<caf::strong_actor_ptr>& column) {
  for (const caf::strong_actor_ptr& actor : column) {
    column_.push_back(caf::actor_cast<StageActor>(actor));
  }
  guarded([&] {
    progress().set(Activity::starting);
    make_work();
    fill_weights();
    progress().set(Activity::idle);
    self_->send(driver_, Ready{setup_->rank});
  });
}

void StageState::make_work() {
  StageSetup& s = *setup_;
  MeshCommunicators groups = mesh_communicators(*s.world, s.plan->mesh);
  for (auto* group : {&groups.tensor, &groups.data, &groups.tied}) {
    *group = observe(std::move(*group), *this);
  }
  auto real = std::make_unique<ModelStageWork>(*s.plan, s.rank, std::move(s.stream),
                                               std::move(groups), s.data, s.work);
  real_ = real.get();
  work_ = s.config->wrap_work ? s.config->wrap_work(s.rank, std::move(real)) : std::move(real);
  executor_.emplace(ExecutorParts{.stage = place_.pipeline,
                                  .column = place_.data * s.plan->mesh.tensor + place_.tensor,
                                  .work = *work_,
                                  .port = *this,
                                  .progress = progress(),
                                  .spans = spans_},
                    s.channels);
}

void StageState::fill_weights() {
  const int tensor_ranks = setup_->plan->mesh.tensor;
  for (const Parameter& parameter : real_->parameters().parameters()) {
    progress().set(Activity::starting);  // each parameter is progress
    if (setup_->initial != nullptr) {
      setup_->initial->read(parameter, place_.tensor, tensor_ranks);
    } else {
      initialize(parameter, setup_->work.seed, place_.tensor, tensor_ranks);
    }
  }
}

/// Runs `action`; what it throws ends this stage's part of the run.
void StageState::guarded(const std::function<void()>& action) {
  if (failed_) {
    return;
  }
  try {
    action();
  } catch (const AbortedError& error) {
    fail(error.what(), true);
  } catch (const std::exception& error) {
    fail(error.what(), false);
  } catch (...) {
    fail("something that is no std::exception was thrown", false);
  }
}

void StageState::fail(std::string_view what, bool aborted) {
  failed_ = true;
  const std::string where = place_text(progress().view());
  progress().set(Activity::failed);
  self_->send(guard_, StageFailed{setup_->rank,
                                  fmt::format("stage {}, rank {}, {}: {}", place_.pipeline,
                                              setup_->rank, where, what),
                                  aborted});
}

void StageState::enqueue(const Pass& pass) {
  guarded([&] {
    passes_.push_back(pass);
    pump();
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
                       .learning_rate = from_bits(m.learning_rate),
                       .gradient_scale = from_bits(m.gradient_scale)});
    pump();
  });
}

/// Fires what may fire, then waits for the next message.
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

/// Reports the pass that has come to its end, and begins the next one, if there is one.
bool StageState::take_up_next() {
  if (running_ && executor_->pass().kind == PassKind::evaluate) {
    report();
  }
  running_ = false;
  if (passes_.empty()) {
    return false;
  }
  const Pass pass = passes_.front();
  passes_.erase(passes_.begin());
  const bool training = pass.kind == PassKind::train;
  if (first_begin_ns_ == 0) {
    first_begin_ns_ = now_ns();
  }
  spans_.enable(training && pass.step <= setup_->config->trace_steps);
  progress().set(Activity::beginning, pass.step, {});
  executor_->begin(pass, training ? setup_->plan->program : setup_->plan->evaluation);
  running_ = true;
  reported_ = false;
  return true;
}

void StageState::report() {
  reported_ = true;
  const Pass& pass = executor_->pass();
  progress().set(Activity::reporting);
  std::vector<std::uint64_t> losses;
  for (const double loss : work_->losses()) {
    losses.push_back(bits_of(loss));
  }
  if (pass.kind == PassKind::evaluate) {
    progress().set(Activity::idle);
    self_->send(driver_, EvaluationDone{setup_->rank, pass.batch, std::move(losses)});
    return;
  }
  StepDone done{
      .rank = setup_->rank, .step = pass.step, .losses = std::move(losses), .squares = {}};
  const std::int64_t begin = now_ns();
  for (const ParameterSquare& square : work_->gradient_squares()) {
    done.squares.push_back({square.parameter, bits_of(square.square)});
  }
  spans_.add(Lane::optimizer, begin, now_ns(), "gradient norm");
  progress().set(Activity::waiting);
  self_->send(driver_, std::move(done));
}

void StageState::write_model(const WriteModel& m) {
  guarded([&] {
    progress().set(Activity::writing);
    if (place_.data == 0) {
      write_parameters(setup_->plan->model, m.temporary, real_->parameters().parameters(),
                       place_.tensor, setup_->plan->mesh.tensor);
    }
    progress().set(Activity::idle);
    self_->send(driver_, ModelWritten{setup_->rank});
  });
}

void StageState::finish(const Finish& m) {
  if (!m.failed) {
    progress().set(Activity::ended);
  }
  self_->send(driver_, ended());
  self_->quit();
}

ProgressSlot& StageState::progress() { return setup_->board->slot(setup_->rank); }

StageEnded StageState::ended() const {
  StageEnded report;
  report.rank = setup_->rank;
  if (!executor_) {
    return report;
  }
  const std::int64_t collectives = spans_.total_ns(Lane::collectives);
  report.communication_ns =
      collectives + spans_.total_ns(Lane::send) + spans_.total_ns(Lane::receive);
  report.compute_ns =
      spans_.total_ns(Lane::compute) + spans_.total_ns(Lane::optimizer) - collectives;
  const std::int64_t total = first_begin_ns_ == 0 ? 0 : now_ns() - first_begin_ns_;
  report.idle_ns = total - report.compute_ns - report.communication_ns;
  const MemoryAccount& account = *work_->stream().memory().account();
  report.peak_bytes = account.total().peak;
  report.peak_saved_activation_bytes = account.count(MemoryLabel::saved_activations).peak;
  SpanRecorder spans = spans_;
  report.spans = spans.take();
  return report;
}

void StageState::send_envelope(const Envelope& envelope) {
  self_->send(column_.at(static_cast<std::size_t>(envelope.edge.destination)), envelope);
}

void StageState::send_credit(const Edge& edge, std::uint64_t sequence) {
  self_->send(column_.at(static_cast<std::size_t>(edge.source)), Credit{edge, sequence});
}

void StageState::begin(std::string_view /*operation*/) {
  communication_begin_ns_ = now_ns();
  progress().set(Activity::communicating);
}

void StageState::end(std::string_view operation) {
  spans_.add(Lane::collectives, communication_begin_ns_, now_ns(), operation);
  progress().set(Activity::running);
}

}  // namespace stagecraft
