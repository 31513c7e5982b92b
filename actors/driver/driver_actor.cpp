#include "actors/driver/driver_actor.h"

#include <fmt/core.h>

#include <algorithm>
#include <caf/all.hpp>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include "actors/driver/loss_means.h"
#include "actors/protocol/deadlines.h"
#include "kernels/base/error.h"
#include "kernels/base/span.h"
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
          .use = m.use};
}

}  // namespace

DriverActor::behavior_type driver_actor(DriverActor::stateful_pointer<DriverState> self,
                                        const std::shared_ptr<DriverSetup>& setup) {
  DriverState& state = self->state;
  state.start(self, setup);
  self->set_down_handler([&state](const caf::down_msg& m) { state.lost(m); });
  return {
      [&state](const Ready& m) { state.ready(m); },
      [&state](const PassDone& m) { state.pass_done(m); },
      [&state](const StateHashed& m) { state.state_kept(m); },
      [&state](const StateSaved& m) { state.state_kept(m); },
      [&state](const ModelWritten& m) { state.model_written(m); },
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
  keeper_.emplace(*setup_->config, *setup_->plan, events_);
  counts_.emplace(setup_->counts);
}

template <typename Message>
void DriverState::tell_all(const Message& message) {
  for (const StageActor& stage : stages_) {
    self_->send(stage, message);
  }
}

/// The phase, if it is the one in which `message` may come.
template <typename Phase>
Phase& DriverState::expect(std::string_view message) {
  auto* phase = std::get_if<Phase>(&phase_);
  require(phase != nullptr, "protocol", "{} came while the driver waits for {}", message,
          awaited_in(phase_));
  return *phase;
}

/// The driver works while `action` runs, and waits for ranks before and after it. An exception of
/// an observer or a file ends the run with a named cause, like a failing stage.
void DriverState::guarded(const std::function<void()>& action) {
  if (std::holds_alternative<Ending>(phase_)) {
    return;
  }
  ProgressSlot& progress = setup_->board->driver();
  progress.set(Activity::deciding, step(), {});
  try {
    action();
  } catch (const std::exception& error) {
    run_failed({fmt::format("driver, step {}: {}", step(), error.what())});
  }
  if (!std::holds_alternative<Ending>(phase_)) {
    progress.set(Activity::waiting, step(), {});
  }
}

/// Observers see events in this order, however late what an event tells has come.
void DriverState::observe(const EventQueue::Event& event) { events_.add(event); }

void DriverState::show(const EventQueue::Event& event) {
  ProgressSlot& progress = setup_->board->driver();
  progress.set(Activity::observing);
  for (RunObserver& observer : setup_->observers) {
    event(observer);
  }
  progress.set(Activity::deciding);
}

/// The training step that the phase belongs to.
std::int64_t DriverState::step() const {
  if (const auto* stepping = std::get_if<Stepping>(&phase_)) {
    return stepping->step;
  }
  const auto* evaluating = std::get_if<Evaluating>(&phase_);
  return evaluating != nullptr ? evaluating->evaluation.step() : result_.steps;
}

void DriverState::connect(const std::vector<caf::strong_actor_ptr>& stages) {
  setup_->board->driver().enter();
  phase_ = Starting{Answers(ranks()), HashSums(setup_->plan->model.parameters().size())};
  for (const caf::strong_actor_ptr& stage : stages) {
    stages_.push_back(caf::actor_cast<StageActor>(stage));
    self_->monitor(stages_.back());
    self_->send(stages_.back(), JoinAtom::value, caf::actor_cast<caf::strong_actor_ptr>(self_));
  }
}

/// A monitor that joins after a failure is told of it too.
void DriverState::join(const caf::strong_actor_ptr& monitor) {
  monitors_.insert(monitor);
  if (setup_->monitor) {
    self_->send(caf::actor_cast<FailureMonitor>(monitor), ConnectAtom::value,
                caf::actor_cast<caf::strong_actor_ptr>(setup_->monitor));
  }
  if (!result_.failure.empty()) {
    self_->send(caf::actor_cast<FailureMonitor>(monitor), failure());
  }
}

RunFailed DriverState::failure() const {
  const std::optional<Cause> cause = setup_->board->cause();
  return {result_.failure, cause ? cause->culprit_rank : -1};
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
                            location_text(*setup_->board, rank)),
                rank});
  }
  ended(rank);
}

void DriverState::ready(const Ready& message) {
  guarded([&] {
    auto& phase = expect<Starting>("Ready");
    phase.loaded.add(message.loaded);
    if (!phase.ready.add(message.rank, "Ready")) {
      return;
    }
    check_loaded(phase.loaded);
    if (setup_->config->prime) {
      begin_step(0);
    } else {
      begin_training();
    }
  });
}

/// What was loaded is what was saved, whatever the split.
void DriverState::check_loaded(const HashSums& loaded) const {
  if (setup_->config->resume) {
    const std::string fault = difference(loaded, setup_->config->resume->manifest());
    require(fault.empty(), "checkpoint", "{}; the run cannot go on from it", fault);
  }
}

/// Behind step 0 comes one batch of an evaluation. Results of both are ignored.
void DriverState::step_primed() {
  ApplyUpdate update{0, to_wire(0.0), to_wire(0.0)};
  if (setup_->evaluation_samples == 0) {
    tell_all(update);
    begin_training();
    return;
  }
  Evaluation evaluation(0, 1, 1);
  update.next.push_back(*evaluation.next());
  tell_all(update);
  phase_ = Evaluating{std::move(evaluation)};
}

void DriverState::begin_training() {
  observe([](RunObserver& observer) { observer.on_start(); });
  begin_ns_ = now_ns();
  keeper_->begin(begin_ns_);
  if (setup_->config->resume) {
    go_on_from(setup_->config->resume->manifest());
  } else {
    begin_step(1);
  }
}

void DriverState::begin_step(std::int64_t step) {
  const std::int64_t begin = now_ns();
  tell_all(RunPasses{{step_range(step)}});
  phase_ = stepping(step, begin);
}

PassRange DriverState::step_range(std::int64_t step) {
  return {.kind = PassKind::train, .step = step, .counts = counts_->of(step)};
}

/// The step is ordered. While it runs, the counts of the next one are computed.
Stepping DriverState::stepping(std::int64_t step, std::int64_t now_ns) {
  Stepping phase{step, now_ns, counts_->of(step)};
  counts_->prepare(step + 1);
  return phase;
}

/// An evaluation that a stop cut short is done again.
void DriverState::go_on_from(const CheckpointManifest& checkpoint) {
  result_.steps = checkpoint.step;
  result_.first_step = checkpoint.step + 1;
  result_.loss = checkpoint.loss;
  result_.validation_loss = checkpoint.validation_loss;
  result_.validation_step = checkpoint.validation_step;
  if (checkpoint.step >= setup_->config->optimizer.steps) {
    write_model();
  } else if (checkpoint.evaluation_due && setup_->evaluation_samples > 0) {
    Evaluation evaluation = evaluation_after(checkpoint.step);
    tell_all(RunPasses{{*evaluation.next()}});
    begin_evaluation({std::move(evaluation)});
  } else {
    begin_step(checkpoint.step + 1);
  }
}

void DriverState::pass_done(const PassDone& message) {
  guarded([&] {
    check_all_ranks(message.ranks, ranks());
    traits(message.pass.kind).updates ? step_done(message) : batch_done(message);
  });
}

void DriverState::step_done(const PassDone& message) {
  const std::string what = fmt::format("the results of step {}", message.pass.step);
  const Stepping phase = expect<Stepping>(what);
  require(message.pass.step == phase.step, "protocol", "{} came while the driver waits for {}",
          what, awaited_in(phase_));
  phase.step == 0 ? step_primed() : decide_update(phase, message.ranks);
}

/// A stop that is requested after this follows the next step, unless an evaluation comes before it.
void DriverState::decide_update(const Stepping& phase, const std::vector<RankResults>& results) {
  const StepReduction sums = add_up(*setup_->plan, phase.counts, results);
  if (!sums.not_finite.empty()) {
    run_failed({fmt::format("step {}: {}; lower train.learning_rate or look at the data",
                            phase.step, sums.not_finite)});
    return;
  }
  StepReport report = step_report(phase.step, sums);
  Following next = following(phase.step);
  tell_all(update_of(report, next));
  const std::int64_t end_ns = now_ns();
  report.seconds = static_cast<double>(end_ns - phase.begin_ns) * 1e-9;
  end_step(report, end_ns);
  if (next.kept) {
    keeper_->ordered(*next.kept, report.loss);
  }
  go_on_behind(phase.step, std::move(next), end_ns);
}

DriverState::Following DriverState::following(std::int64_t step) {
  Following next{.last = step == setup_->config->optimizer.steps || stops()};
  next.kept = keeper_->order_after(step, next.last, now_ns());
  if (!next.last && evaluates_after(step)) {
    next.evaluation = evaluation_after(step);
  }
  return next;
}

/// Orders the first batches of an evaluation that follows.
ApplyUpdate DriverState::update_of(const StepReport& report, Following& next) {
  ApplyUpdate update{report.step, to_wire(report.learning_rate),
                     to_wire(clip_factor(setup_->config->optimizer, report.gradient_norm))};
  if (next.kept) {
    update.state.push_back(*next.kept);
  }
  if (next.evaluation) {
    update.next.push_back(*next.evaluation->next());
  } else if (!next.last) {
    update.next.push_back(step_range(report.step + 1));
  }
  return update;
}

void DriverState::go_on_behind(std::int64_t step, Following next, std::int64_t now_ns) {
  const bool is_complete = step == setup_->config->optimizer.steps;
  if (!next.evaluation && !(is_complete && setup_->evaluation_samples > 0)) {
    settle_evaluation(step, evaluates_after(step));
  }
  if (next.last) {
    write_model();
  } else if (next.evaluation) {
    begin_evaluation({std::move(*next.evaluation)});
  } else {
    phase_ = stepping(step + 1, now_ns);
  }
}

/// Without its time.
StepReport DriverState::step_report(std::int64_t step, const StepReduction& sums) const {
  const TrainingPlan& plan = *setup_->plan;
  return {.step = step,
          .loss = sums.loss,
          .gradient_norm = std::sqrt(sums.squared_norm),
          .learning_rate = learning_rate_at(setup_->config->optimizer, step),
          .tokens = plan.batch.global_batch * plan.model.sequence,
          .losses = named_losses(plan.model, sums.losses)};
}

/// What follows the step has been ordered with its update.
void DriverState::end_step(const StepReport& report, std::int64_t end_ns) {
  result_.steps = report.step;
  result_.loss = report.loss;
  result_.seconds = static_cast<double>(end_ns - begin_ns_) * 1e-9;
  observe([report](RunObserver& observer) { observer.on_step(report); });
}

/// A stop that was heard once holds.
bool DriverState::stops() {
  const RunConfig& config = *setup_->config;
  stop_heard_ = stop_heard_ || (config.stop_requested && config.stop_requested());
  return stop_heard_;
}

bool DriverState::evaluates_after(std::int64_t step) const {
  const std::int64_t every = setup_->config->options.eval_every;
  return setup_->evaluation_samples > 0 && every > 0 && step % every == 0;
}

/// A pipeline is full with a batch per stage; one more hides the driver's answer.
Evaluation DriverState::evaluation_after(std::int64_t step) const {
  const std::int64_t batch = setup_->plan->batch.global_batch;
  return {step, (setup_->evaluation_samples + batch - 1) / batch,
          std::int64_t{setup_->plan->mesh.pipeline} + 1};
}

/// Its first batches have been ordered.
void DriverState::begin_evaluation(Evaluating phase) {
  const std::int64_t step = phase.evaluation.step();
  phase_ = std::move(phase);
  observe([step](RunObserver& observer) { observer.on_evaluation_begin(step); });
}

void DriverState::batch_done(const PassDone& message) {
  const std::string what = fmt::format("batch {} of the evaluation after step {}",
                                       message.pass.batch, message.pass.step);
  Evaluation& evaluation = expect<Evaluating>(what).evaluation;
  require(message.pass.step == evaluation.step(), "protocol",
          "{} came while the driver waits for {}", what, awaited_in(phase_));
  evaluation.add(message.pass.batch, message.ranks, setup_->counts(message.pass));
  if (stops()) {
    evaluation.stop();
  }
  if (const std::optional<PassRange> next = evaluation.next()) {
    tell_all(RunPasses{{*next}});
  } else if (evaluation.has_ended()) {
    evaluation.step() == 0 ? begin_training() : end_evaluation();
  }
}

/// The losses of an evaluation that was cut short are those of the first samples, and no loss of
/// the validation text.
void DriverState::end_evaluation() {
  const auto& [evaluation, last] = std::get<Evaluating>(phase_);
  EvaluationReport report{evaluation.step(), evaluation.batches(), evaluation.done(), {}, {}};
  if (evaluation.is_whole()) {
    const std::vector<double> means = evaluation.means();
    report.loss = total_loss(means);
    report.losses = named_losses(setup_->plan->model, means);
    if (!std::isfinite(*report.loss)) {
      run_failed({fmt::format("step {}: the validation loss is {}; lower train.learning_rate",
                              report.step, *report.loss)});
      return;
    }
    result_.validation_loss = report.loss;
    result_.validation_step = report.step;
  }
  observe([report](RunObserver& observer) { observer.on_evaluation_end(report); });
  const bool ends = last;
  settle_evaluation(report.step, !report.loss);
  if (ends) {
    finish_when_saved();
  } else if (stops()) {
    save_stopped(report);
    write_model();
  } else {
    begin_step(report.step + 1);
  }
}

/// The last evaluation, of those up to the step, is known.
void DriverState::settle_evaluation(std::int64_t step, bool due) {
  keeper_->settle_evaluation(step, {result_.validation_loss, result_.validation_step, due});
}

/// A stop came in the evaluation. The state is still that of its step.
void DriverState::save_stopped(const EvaluationReport& evaluation) {
  if (const std::optional<KeepState> order = keeper_->order_stopped(evaluation.step)) {
    tell_all(*order);
    keeper_->ordered(*order, result_.loss);
    settle_evaluation(evaluation.step, !evaluation.loss);
  }
}

template <typename Message>
void DriverState::state_kept(const Message& message) {
  guarded([&] {
    keeper_->add(message);
    if (keeper_->is_idle() && std::holds_alternative<Saving>(phase_)) {
      finish();
    }
  });
}

/// The last step has ended, or a stop came before it.
void DriverState::write_model() {
  result_.stopped_early = result_.steps < setup_->config->optimizer.steps;
  const RunConfig& config = *setup_->config;
  const bool goes_on = result_.stopped_early && !config.checkpoints.empty();
  if (config.model_folder.empty() || goes_on) {
    model_is_written();
    return;
  }
  const std::filesystem::path temporary =
      begin_model_files(*setup_->config->files, setup_->plan->model, setup_->config->model_folder);
  phase_ = WritingModel{temporary, Answers(ranks())};
  tell_all(WriteModel{temporary.string()});
}

void DriverState::model_written(const ModelWritten& message) {
  guarded([&] {
    auto& phase = expect<WritingModel>("ModelWritten");
    if (!phase.written.add(message.rank, "ModelWritten")) {
      return;
    }
    setup_->board->driver().set(Activity::writing);
    finish_model_files(*setup_->config->files, phase.temporary);
    observe(
        [&](RunObserver& observer) { observer.on_model_written(setup_->config->model_folder); });
    model_is_written();
  });
}

/// The evaluation after the last step comes behind the model, so that what was trained is safe. A
/// run that was stopped before its last step has none, and an earlier start may have done it.
void DriverState::model_is_written() {
  const bool is_done = result_.validation_loss && result_.validation_step == result_.steps;
  if (result_.stopped_early || setup_->evaluation_samples == 0 || is_done) {
    finish_when_saved();
    return;
  }
  Evaluation evaluation = evaluation_after(result_.steps);
  if (stops()) {
    evaluation.stop();
  }
  const std::optional<PassRange> first = evaluation.next();
  if (first) {
    tell_all(RunPasses{{*first}});
  }
  begin_evaluation({std::move(evaluation), true});
  if (!first) {
    end_evaluation();
  }
}

/// Only the first failure counts, even one that arrives while the stages are ending. Another
/// process or the watchdog may have named it on the board before.
void DriverState::run_failed(const RunFailed& message) {
  if (!result_.failure.empty()) {
    return;
  }
  const bool first = setup_->board->name_cause(message.rank, message.text);
  const std::optional<Cause> cause = setup_->board->cause();
  result_.failure = first || !cause ? message.text : cause->text;
  for (const caf::strong_actor_ptr& monitor : monitors_) {
    self_->send(caf::actor_cast<FailureMonitor>(monitor), failure());
  }
  if (!setup_->config->model_folder.empty()) {
    discard_model_files(*setup_->config->files, setup_->config->model_folder);
  }
  // A stage may never return, so the wait for it is bounded.
  self_->delayed_send(self_, kEndDeadline, TickAtom::value);
  if (!std::holds_alternative<Ending>(phase_)) {
    finish();
  }
}

void DriverState::finish_when_saved() {
  if (keeper_->is_idle()) {
    finish();
  } else {
    phase_ = Saving{};
  }
}

void DriverState::finish() {
  phase_ = Ending{};
  setup_->board->driver().set(Activity::leaving);
  tell_all(Finish{!result_.failure.empty()});
}

void DriverState::stage_ended(const StageEnded& m) {
  if (m.rank < 0 || m.rank >= ranks() || ended_.count(m.rank) > 0) {
    return;  // no rank of this run, or one that is counted already
  }
  result_.ranks.push_back(report_of(m, setup_->plan->mesh));
  ended(m.rank);
}

/// Every rank counts once, whether it sent StageEnded or is gone.
void DriverState::ended(int rank) {
  ended_.insert(rank);
  if (std::holds_alternative<Ending>(phase_) && static_cast<int>(ended_.size()) == ranks()) {
    end();
  }
}

/// Called when all stages have ended, or at the deadline; the others are lost then.
void DriverState::end() {
  result_.actor_lost = static_cast<int>(ended_.size()) < ranks();
  std::sort(result_.ranks.begin(), result_.ranks.end(),
            [](const RankReport& a, const RankReport& b) { return a.rank < b.rank; });
  setup_->board->driver().set(result_.failure.empty() ? Activity::ended : Activity::failed);
  setup_->done(std::move(result_));
  self_->quit();
}

}  // namespace stagecraft
