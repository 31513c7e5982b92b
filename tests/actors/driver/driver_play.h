// The order of the protocol, without time: CAF's deterministic scheduler runs the driver. Stages
// that only record messages show what the driver sent after each message that it received.
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <caf/all.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/driver/driver_actor.h"
#include "actors/failure/watchdog.h"
#include "actors/protocol/run_config.h"
#include "actors/protocol/run_report.h"
#include "models/optim/optimizer_config.h"
#include "tests/actors/deterministic.h"
#include "tests/actors/driver/recording_actors.h"

namespace stagecraft::test {

struct EventNotes : RunObserver {
  void on_start() override { events.emplace_back("start"); }
  void on_step(const StepReport& report) override {
    if (on_step_hook) {
      on_step_hook();
    }
    losses.push_back(report.loss);
    events.push_back(fmt::format("step {}", report.step));
  }
  void on_evaluation_begin(std::int64_t step) override {
    events.push_back(fmt::format("evaluation after {}", step));
  }
  void on_evaluation_end(const EvaluationReport& report) override {
    events.push_back(report.loss ? fmt::format("validation {}", *report.loss)
                                 : fmt::format("{} of {} batches", report.done, report.batches));
  }
  void on_state_hash(const StateHashReport& report) override {
    events.push_back(fmt::format("hash {} {}", report.step, report.sum));
  }
  void on_checkpoint(const CheckpointReport& report) override {
    events.push_back(fmt::format("checkpoint {}", report.manifest.step));
    checkpoints.push_back(report);
  }
  void on_checkpoint_failed(const CheckpointFailure& failure) override {
    events.push_back(fmt::format("no checkpoint {}: {}", failure.step, failure.text));
  }
  void on_model_written(const std::filesystem::path& /*folder*/) override {
    events.emplace_back("model");
  }
  std::vector<std::string> take() { return std::exchange(events, {}); }
  std::function<void()> on_step_hook;
  std::vector<double> losses;
  std::vector<std::string> events;
  std::vector<CheckpointReport> checkpoints;
};

/// A driver and two recording stages. Actors run only within `tell` and `pass`.
class DriverPlay {
 public:
  explicit DriverPlay(const std::function<void(RunConfig&, DriverSetup&)>& change = {}) {
    config_.optimizer.steps = 2;
    setup_->board = std::make_shared<ProgressBoard>(board_info(plan_, 1));
    setup_->plan = &plan_;
    setup_->config = &config_;
    setup_->observers = {observer, second_observer};
    setup_->counts = [this](const Pass& pass) { return LossCounts{tokens_of(pass)}; };
    setup_->done = [this](RunResult value) { result = std::move(value); };
    if (change) {
      change(config_, *setup_);
    }
    driver_ = system_.spawn(driver_actor, setup_);
    std::vector<caf::strong_actor_ptr> all;
    for (const ReceivedPtr& received : received_) {
      stages_.push_back(system_.spawn(recording_stage, received));
      all.push_back(caf::actor_cast<caf::strong_actor_ptr>(stages_.back()));
    }
    caf::anon_send(driver_, ConnectAtom::value, all);
    scheduler_of(system_).run();
  }
  ~DriverPlay() {
    for (const StageActor& stage : stages_) {
      caf::anon_send_exit(stage, caf::exit_reason::user_shutdown);
    }
    caf::anon_send_exit(driver_, caf::exit_reason::user_shutdown);
    scheduler_of(system_).run();
  }
  DriverPlay(const DriverPlay&) = delete;
  DriverPlay& operator=(const DriverPlay&) = delete;

  template <class Message>
  void tell(const Message& message) {
    caf::anon_send(driver_, message);
    scheduler_of(system_).run();
  }

  void pass(std::chrono::seconds time) {
    scheduler_of(system_).advance_time(time);
    scheduler_of(system_).run();
  }

  /// Since the last call, both stages received exactly these messages in this order.
  template <class... Messages>
  bool both_got(const Messages&... messages) {
    const std::vector<std::string> images{image(system_, messages)...};
    const bool first = received_[0]->images.take() == images;
    return (received_[1]->images.take() == images) && first;
  }

  void make_ready() {
    tell(Ready{0});
    tell(Ready{1});
  }

  /// Losses of 24 over 8 tokens; a gradient norm of 5.
  static PassDone results(std::int64_t step) {
    return {
        {PassKind::train, step, 0},
        {{0, {}, {{0, to_wire(9.0)}}}, {1, {to_wire(8.0), to_wire(16.0)}, {{1, to_wire(16.0)}}}}};
  }
  static PassDone batch(std::int64_t step, std::int64_t batch, double loss) {
    return {{PassKind::evaluate, step, batch}, {{0, {}, {}}, {1, {to_wire(loss)}, {}}}};
  }

  /// The driver's decision at a gradient norm of 5, which results() gives.
  ApplyUpdate update(std::int64_t step, std::vector<PassRange> next,
                     std::vector<KeepState> state = {}) const {
    return {step, to_wire(learning_rate_at(config_.optimizer, step)),
            to_wire(clip_factor(config_.optimizer, 5)), std::move(next), std::move(state)};
  }

  /// Both stages answer an order: their hashes add up to 7.
  void tell_hashes(std::int64_t step) {
    tell(StateHashed{0, step, {{0, StateKind::weight, 3}}});
    tell(StateHashed{1, step, {{0, StateKind::weight, 4}}});
  }
  void tell_saved(std::int64_t step) {
    tell(StateSaved{.rank = 1, .step = step, .bytes = 100});
    tell(StateSaved{.rank = 0, .step = step, .bytes = 100});
  }

  ProgressBoard& board() { return *setup_->board; }
  std::string driver_location() const { return driver_text(setup_->board->driver().view()); }

  EventNotes observer;
  EventNotes second_observer;
  std::optional<RunResult> result;

 private:
  /// A batch has two samples of four tokens; the last of an evaluation may have one.
  std::int64_t tokens_of(const Pass& pass) const {
    const std::int64_t left = setup_->evaluation_samples - 2 * pass.batch;
    return 4 * (traits(pass.kind).numbered ? std::min<std::int64_t>(2, left) : 2);
  }

  TrainingPlan plan_ = two_stages();
  RunConfig config_;
  std::shared_ptr<DriverSetup> setup_ = std::make_shared<DriverSetup>();
  TestingConfig system_config_;
  caf::actor_system system_{system_config_};
  ReceivedPtr received_[2] = {std::make_shared<Received>(), std::make_shared<Received>()};
  DriverActor driver_;
  std::vector<StageActor> stages_;
};

}  // namespace stagecraft::test
