#include "actors/driver/driver_actor.h"

#include <fmt/core.h>

#include <caf/all.hpp>
#include <chrono>
#include <cmath>

#include "actors/protocol/deadlines.h"
#include "models/checkpoint/model_file.h"

namespace stagecraft {
namespace {

RankReport report_of(const StageEnded& m, const MeshShape& mesh) {
  constexpr double kSeconds = 1e-9;
  return {.rank = m.rank,
          .coordinate = coordinate_of(mesh, m.rank),
          .compute_seconds = static_cast<double>(m.compute_ns) * kSeconds,
          .communication_seconds = static_cast<double>(m.communication_ns) * kSeconds,
          .idle_seconds = static_cast<double>(m.idle_ns) * kSeconds,
          .peak_bytes = m.peak_bytes,
          .peak_saved_activation_bytes = m.peak_saved_activation_bytes,
          .use = m.use,
          .spans = {}};
}

}  // namespace

DriverActor::behavior_type driver_actor(DriverActor::stateful_pointer<DriverState> self,
                                        const std::shared_ptr<DriverSetup>& setup) {
  DriverState& state = self->state;
  state.start(self, setup);
  self->set_down_handler([&state](const caf::down_msg& m) { state.lost(m); });
  return {
      [&state](const Ready&) { state.ready(); },
      [&state](const StepDone& m) { state.step_done(m); },
      [&state](const EvaluationDone& m) { state.evaluation_done(m); },
      [&state](const ModelWritten&) { state.model_written(); },
      [&state](const Spans& m) { state.trace(m); },
      [&state](const ClockReadings& m) { state.trace(m); },
      [&state](const StageEnded& m) { state.stage_ended(m); },
      [&state](const RunFailed& m) { state.run_failed(m); },
      [&state](TickAtom) { state.end(); },
      [&state](ConnectAtom, const std::vector<caf::strong_actor_ptr>& m) { state.connect(m); },
      [&state](JoinAtom, std::int32_t, const caf::strong_actor_ptr& monitor) {
        state.join(monitor);
      },
  };
}

void DriverState::start(DriverActor::stateful_pointer<DriverState> self,
                        std::shared_ptr<DriverSetup> setup) {
  self_ = self;
  setup_ = std::move(setup);
}

template <typename Message>
void DriverState::tell_all(const Message& message) {
  for (const StageActor& stage : stages_) {
    self_->send(stage, message);
  }
}

/// An exception of an observer or a file ends the run with a named cause, like a failing stage.
void DriverState::guarded(const std::function<void()>& action) {
  if (finishing_) {
    return;
  }
  try {
    action();
  } catch (const std::exception& error) {
    run_failed({fmt::format("driver, step {}: {}", report_.step, error.what())});
  }
}

void DriverState::connect(const std::vector<caf::strong_actor_ptr>& stages) {
  for (const caf::strong_actor_ptr& stage : stages) {
    stages_.push_back(caf::actor_cast<StageActor>(stage));
    self_->monitor(stages_.back());
    self_->send(stages_.back(), JoinAtom::value, caf::actor_cast<caf::strong_actor_ptr>(self_));
  }
}

/// A monitor that joins after a failure is told of it too.
void DriverState::join(const caf::strong_actor_ptr& monitor) {
  monitors_.insert(monitor);
  if (!result_.failure.empty()) {
    self_->send(caf::actor_cast<FailureMonitor>(monitor), RunFailed{result_.failure});
  }
}

void DriverState::lost(const caf::down_msg& down) {
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    const int rank = static_cast<int>(i);
    if (down.source == stages_[i] && ended_.count(rank) == 0) {
      lost_rank(rank);
    }
  }
}

/// A dismissed rank is not the root cause; other actors or the watchdog find it.
void DriverState::lost_rank(int rank) {
  if (setup_->board->slot(rank).view().activity != Activity::dismissed) {
    run_failed({fmt::format("{}: its process or the connection to it is gone; noticed by the "
                            "driver (rank 0)",
                            location_text(*setup_->board, rank))},
               rank);
  }
  ended(rank);
}

void DriverState::ready() {
  if (++answers_ == setup_->plan->mesh.ranks()) {
    guarded([&] { setup_->config->prime ? prime() : begin_training(); });
  }
}

/// Sends step 0, and later one batch of an evaluation. Their results are ignored.
void DriverState::prime() { tell_all(TrainStep{0}); }

void DriverState::step_primed() {
  tell_all(ApplyUpdate{0, to_wire(0.0), to_wire(0.0)});
  if (setup_->evaluation_samples == 0) {
    begin_training();
    return;
  }
  evaluation_.begin(1, setup_->plan->mesh.ranks());
  tell_all(Evaluate{0, 0});
}

void DriverState::begin_training() {
  setup_->observer->on_start();
  result_.trace_origin_ns = now_ns();
  begin_step();
}

void DriverState::begin_step() {
  report_ = StepReport{};
  report_.step = result_.steps + 1;
  report_.learning_rate = learning_rate_at(setup_->config->optimizer, report_.step);
  step_done_.clear();
  step_begin_ns_ = now_ns();
  tell_all(TrainStep{report_.step});
}

void DriverState::step_done(const StepDone& message) {
  step_done_[message.rank] = message;
  if (static_cast<int>(step_done_.size()) < setup_->plan->mesh.ranks()) {
    return;
  }
  guarded([&] { message.step == 0 ? step_primed() : decide_update(); });
}

void DriverState::decide_update() {
  const StepReduction sums = add_up(*setup_->plan, step_done_);
  report_.loss = sums.loss;
  report_.gradient_norm = std::sqrt(sums.squared_norm);
  if (!sums.not_finite.empty()) {
    run_failed({fmt::format("step {}: {}; lower train.learning_rate or look at the data",
                            report_.step, sums.not_finite)});
    return;
  }
  const double scale = clip_factor(setup_->config->optimizer, report_.gradient_norm);
  tell_all(ApplyUpdate{report_.step, to_wire(report_.learning_rate), to_wire(scale)});
  report_.tokens = setup_->plan->batch.global_batch * setup_->plan->model.sequence;
  report_.seconds = static_cast<double>(now_ns() - step_begin_ns_) * 1e-9;
  evaluate_when_due();
}

void DriverState::evaluate_when_due() {
  const RunConfig& config = *setup_->config;
  const bool at_end = report_.step == config.optimizer.steps;
  result_.stopped_early = !at_end && setup_->observer->stop_requested();
  last_step_ = at_end || result_.stopped_early;
  const bool due = config.options.eval_every > 0 && report_.step % config.options.eval_every == 0;
  if (setup_->evaluation_samples > 0 && !result_.stopped_early && (due || last_step_)) {
    begin_evaluation();
  } else {
    end_step();
  }
}

void DriverState::begin_evaluation() {
  setup_->observer->on_evaluation_begin(report_.step);
  const std::int64_t batch = setup_->plan->batch.global_batch;
  const std::int64_t batches = (setup_->evaluation_samples + batch - 1) / batch;
  evaluation_.begin(batches, setup_->plan->mesh.ranks());
  for (std::int64_t b = 0; b < batches; ++b) {
    tell_all(Evaluate{report_.step, b});
  }
}

void DriverState::evaluation_done(const EvaluationDone& message) {
  if (evaluation_.add(message)) {
    guarded([&] { report_.step == 0 ? begin_training() : end_evaluation(); });
  }
}

void DriverState::end_evaluation() {
  const std::int64_t tokens = setup_->evaluation_samples * setup_->plan->model.sequence;
  report_.validation_loss = evaluation_.sum() / static_cast<double>(tokens);
  result_.validation_loss = report_.validation_loss;
  if (!std::isfinite(*report_.validation_loss)) {
    run_failed({fmt::format("step {}: the validation loss is {}; lower train.learning_rate",
                            report_.step, *report_.validation_loss)});
    return;
  }
  end_step();
}

void DriverState::end_step() {
  ++result_.steps;
  result_.loss = report_.loss;
  setup_->observer->on_step(report_);
  if (last_step_) {
    result_.seconds = static_cast<double>(now_ns() - result_.trace_origin_ns) * 1e-9;
    write_model();
  } else {
    begin_step();
  }
}

void DriverState::write_model() {
  if (setup_->config->model_folder.empty()) {
    finish();
    return;
  }
  temporary_ = begin_model_files(setup_->plan->model, setup_->config->model_folder);
  answers_ = 0;
  tell_all(WriteModel{temporary_.string()});
}

void DriverState::model_written() {
  if (++answers_ < setup_->plan->mesh.ranks()) {
    return;
  }
  guarded([&] {
    finish_model_files(temporary_);
    setup_->observer->on_model_written(setup_->config->model_folder);
    finish();
  });
}

/// Only the first failure counts, even one that arrives while the stages are ending.
void DriverState::run_failed(const RunFailed& message, int culprit) {
  if (!result_.failure.empty()) {
    return;
  }
  setup_->board->name_cause(culprit, message.text);
  result_.failure = message.text;
  for (const caf::strong_actor_ptr& monitor : monitors_) {
    self_->send(caf::actor_cast<FailureMonitor>(monitor), message);
  }
  if (!setup_->config->model_folder.empty()) {
    discard_model_files(setup_->config->model_folder);
  }
  // A stage may never return, so the wait for it is bounded.
  self_->delayed_send(self_, kEndDeadline, TickAtom::value);
  if (!finishing_) {
    finish();
  }
}

void DriverState::finish() {
  finishing_ = true;
  tell_all(Finish{!result_.failure.empty()});
}

void DriverState::stage_ended(const StageEnded& m) {
  result_.ranks.push_back(report_of(m, setup_->plan->mesh));
  ended(m.rank);
}

/// Every rank counts once, whether it sent StageEnded or is gone.
void DriverState::ended(int rank) {
  ended_.insert(rank);
  if (finishing_ && static_cast<int>(ended_.size()) == setup_->plan->mesh.ranks()) {
    end();
  }
}

/// Called when all stages have ended, or at the deadline; the others are lost then.
void DriverState::end() {
  result_.actor_lost = static_cast<int>(ended_.size()) < setup_->plan->mesh.ranks();
  std::sort(result_.ranks.begin(), result_.ranks.end(),
            [](const RankReport& a, const RankReport& b) { return a.rank < b.rank; });
  for (RankReport& report : result_.ranks) {
    report.spans = trace_.take(report.rank);
  }
  setup_->done(std::move(result_));
  self_->quit();
}

}  // namespace stagecraft
