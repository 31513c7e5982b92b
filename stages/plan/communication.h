// How much a plan's ranks tell each other in one step.
#pragma once

#include <cstdint>

#include "stages/plan/plan.h"

namespace stagecraft {

/// Bytes that all ranks together send in one training step. A sum over n ranks of b bytes counts as
/// 2 (n - 1) b, which is what a ring, or each rank adding up a slice, sends.
struct CommunicationBytes {
  std::int64_t pipeline = 0;  // activations and their gradients, over channels
  std::int64_t tensor = 0;    // sums within layers
  std::int64_t data = 0;      // gradients over the data ranks
  std::int64_t tied = 0;      // gradients of the parameter that first and last chunk share
  std::int64_t total() const { return pipeline + tensor + data + tied; }
};

CommunicationBytes communication_of(const TrainingPlan& plan);

/// The parameters of a stage, each once: what one rank adds over the data ranks.
std::int64_t stage_gradient_bytes(const TrainingPlan& plan, int stage);
/// Of the parameter that the first and the last chunk share, on one rank; 0 without one.
std::int64_t tied_gradient_bytes(const ModelSpec& model);

}  // namespace stagecraft
