// Which steps' state is hashed and saved, and what the ranks have still to say of it. Training goes
// on beside it.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>

#include "actors/driver/event_queue.h"
#include "actors/driver/state_gather.h"
#include "actors/protocol/messages.h"
#include "actors/protocol/run_config.h"
#include "stages/plan/plan.h"

namespace stagecraft {

/// The last evaluation that was whole, and whether one is still to be done behind a step.
struct EvaluationState {
  std::optional<double> loss;
  std::int64_t step = 0;  // that it followed
  bool due = false;
};

class StateKeeper {
 public:
  /// Events of checkpoints and hashes go to `events`. The references outlive it.
  StateKeeper(const RunConfig& config, const TrainingPlan& plan, EventQueue& events)
      : config_(config), plan_(plan), events_(events) {}

  /// Training begins now.
  void begin(std::int64_t now_ns) { saved_ns_ = now_ns; }
  /// What is done with the state behind the step's update; nothing behind most steps.
  std::optional<KeepState> order_after(std::int64_t step, bool last, std::int64_t now_ns);
  /// A stop came behind the step: its state is saved, unless it is already.
  std::optional<KeepState> order_stopped(std::int64_t step);
  /// The order was sent to all ranks. `loss` is that of its step.
  void ordered(const KeepState& order, double loss);
  /// The last evaluation, of those up to the step, is known.
  void settle_evaluation(std::int64_t step, const EvaluationState& evaluation);

  /// Throws Error for an answer that is not awaited.
  void add(const StateHashed& message);
  void add(const StateSaved& message);
  /// No answer is awaited.
  bool is_idle() const { return gathers_.empty(); }

 private:
  bool saves_after(std::int64_t step, std::int64_t now_ns);
  bool is_saving() const;
  KeepState save_order(std::int64_t step);
  template <typename Message>
  StateGather& gather_of(const Message& message, std::string_view what);
  void take_complete();
  void report(const StateGather& gather);

  const RunConfig& config_;
  const TrainingPlan& plan_;
  EventQueue& events_;
  std::deque<StateGather> gathers_;  // not complete, by step
  bool save_owed_ = false;           // a checkpoint was due while an earlier one was written
  std::int64_t hash_row_step_ = 0;   // of the last order that asks for a row of hashes
  std::int64_t saved_step_ = 0;      // of the last order to save
  std::int64_t saved_ns_ = 0;        // when that was, or training began
};

}  // namespace stagecraft
