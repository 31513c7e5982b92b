// The optimizer's keys of the [train] table.
#pragma once

#include <cstdint>

namespace stagecraft {

struct OptimizerConfig {
  std::int64_t steps = 0;
  std::int64_t decay_steps = 0;  // where the learning rate has fallen; 0: steps
  std::int64_t warmup_steps = 0;
  double learning_rate = 3e-4;
  double min_learning_rate = 0;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;
  double clip = 1;  // maximum global gradient norm; 0: off
};

/// The learning rate of step s = `step`, from 1 to config.steps. For s <= w = warmup_steps, a
/// linear warm-up: learning_rate * s / w. Then half a cosine that ends at min_learning_rate in step
/// D = decay_steps: min + (learning_rate - min) * (1 + cos(pi * (s - w) / (D - w))) / 2. Behind D
/// it stays there. Throws Error if s is outside 1 .. steps.
double learning_rate_at(const OptimizerConfig& config, std::int64_t step);

/// The factor for gradients with this global norm: min(1, clip / norm); 1 if clip is 0.
double clip_factor(const OptimizerConfig& config, double gradient_norm);

}  // namespace stagecraft
