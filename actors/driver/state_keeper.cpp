#include "actors/driver/state_keeper.h"

#include <algorithm>
#include <utility>

#include "kernels/base/error.h"

namespace stagecraft {

std::optional<KeepState> StateKeeper::order_after(std::int64_t step, bool last,
                                                  std::int64_t now_ns) {
  const std::int64_t every = config_.state_hash_every;
  const bool has_row = every > 0 && step % every == 0;
  hash_row_step_ = has_row ? step : hash_row_step_;
  if (!config_.checkpoints.empty() && (saves_after(step, now_ns) || last)) {
    saved_ns_ = now_ns;
    return save_order(step);
  }
  return has_row ? std::optional(KeepState{step, ""}) : std::nullopt;
}

/// A checkpoint that is due while an earlier one is written follows the first step after that.
bool StateKeeper::saves_after(std::int64_t step, std::int64_t now_ns) {
  constexpr double kMinute_ns = 60e9;
  const CheckpointConfig& due = config_.checkpoint;
  const bool requested = config_.save_requested && config_.save_requested();
  const double age_ns = static_cast<double>(now_ns - saved_ns_);
  save_owed_ = save_owed_ || requested || (due.every > 0 && step % due.every == 0) ||
               (due.every_minutes > 0 && age_ns >= due.every_minutes * kMinute_ns);
  return save_owed_ && !is_saving();
}

bool StateKeeper::is_saving() const {
  return std::any_of(gathers_.begin(), gathers_.end(),
                     [](const StateGather& gather) { return gather.saves(); });
}

KeepState StateKeeper::save_order(std::int64_t step) {
  save_owed_ = false;
  saved_step_ = step;
  return {step, config_.checkpoints.string()};
}

std::optional<KeepState> StateKeeper::order_stopped(std::int64_t step) {
  return config_.checkpoints.empty() || saved_step_ == step ? std::nullopt
                                                            : std::optional(save_order(step));
}

/// Of two orders for one step, the first one asks for the row.
void StateKeeper::ordered(const KeepState& order, double loss) {
  CheckpointManifest step;
  step.step = order.step;
  step.samples = order.step * plan_.batch.global_batch;
  step.loss = loss;
  const bool has_row = hash_row_step_ == order.step;
  gathers_.emplace_back(order, std::move(step), plan_.model, plan_.mesh.ranks(), has_row);
  if (has_row) {
    hash_row_step_ = 0;
    events_.reserve(order.step);
  }
}

void StateKeeper::settle_evaluation(std::int64_t step, const EvaluationState& evaluation) {
  for (StateGather& gather : gathers_) {
    if (gather.step() == step) {
      gather.settle_evaluation(evaluation.loss, evaluation.step, evaluation.due);
    }
  }
  take_complete();
}

/// The first order that the rank has not answered.
template <typename Message>
StateGather& StateKeeper::gather_of(const Message& message, std::string_view what) {
  const auto found = std::find_if(gathers_.begin(), gathers_.end(), [&](const StateGather& gather) {
    return gather.awaits(message);
  });
  require(found != gathers_.end(), "protocol",
          "{} of step {} came from rank {}, and is not awaited", what, message.step, message.rank);
  return *found;
}

void StateKeeper::add(const StateHashed& message) {
  StateGather& gather = gather_of(message, "StateHashed");
  if (gather.add(message) && gather.has_row()) {
    events_.set(message.step, [report = gather.hashes()](RunObserver& observer) {
      observer.on_state_hash(report);
    });
  }
  take_complete();
}

void StateKeeper::add(const StateSaved& message) {
  gather_of(message, "StateSaved").add(message);
  take_complete();
}

void StateKeeper::take_complete() {
  const auto first =
      std::stable_partition(gathers_.begin(), gathers_.end(),
                            [](const StateGather& gather) { return gather.is_complete(); });
  std::for_each(gathers_.begin(), first, [this](const StateGather& gather) { report(gather); });
  gathers_.erase(gathers_.begin(), first);
}

void StateKeeper::report(const StateGather& gather) {
  if (!gather.error().empty()) {
    events_.add([failure = gather.failure()](RunObserver& observer) {
      observer.on_checkpoint_failed(failure);
    });
  } else if (gather.saves()) {
    events_.add([checkpoint = gather.checkpoint()](RunObserver& observer) {
      observer.on_checkpoint(checkpoint);
    });
  }
}

}  // namespace stagecraft
