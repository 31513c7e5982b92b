// How much a plan's ranks communicate in one step.
#pragma once

#include <cstdint>

#include "stages/plan/plan.h"

namespace stagecraft {

/// Bytes that all ranks together send in one training step. A sum of b bytes over n ranks counts as
/// 2 (n - 1) b: what a ring all-reduce sends, or a reduce-scatter and an all-gather.
struct CommunicationBytes {
  std::int64_t pipeline = 0;  // activations and their gradients, over channels
  std::int64_t tensor = 0;    // sums within layers, and of gradients over the tensor ranks
  std::int64_t data = 0;      // gradients over the data ranks
  std::int64_t tied = 0;      // gradients of the parameter that the first and last chunk share
  std::int64_t total() const { return pipeline + tensor + data + tied; }
};

CommunicationBytes communication_of(const TrainingPlan& plan);

/// The gradients that one rank of the stage sums over an axis; each parameter once.
struct StageGradientBytes {
  std::int64_t over_tensor = 0;
  std::int64_t over_data = 0;
};
StageGradientBytes stage_gradient_bytes(const TrainingPlan& plan, int stage);
/// The gradient of the parameter that the first and the last chunk share, on one of `tensor`
/// ranks; 0 if they share none.
std::int64_t tied_gradient_bytes(const ModelSpec& model, int tensor);

}  // namespace stagecraft
