#include "models/optim/optimizer_config.h"

#include <cmath>
#include <numbers>

#include "kernels/base/error.h"

namespace stagecraft {

double learning_rate_at(const OptimizerConfig& config, std::int64_t step) {
  require(1 <= step && step <= config.steps, "learning_rate_at", "step {} is outside of 1 .. {}",
          step, config.steps);
  if (step <= config.warmup_steps) {
    return config.learning_rate * static_cast<double>(step) /
           static_cast<double>(config.warmup_steps);
  }
  const std::int64_t end = config.decay_steps == 0 ? config.steps : config.decay_steps;
  if (step > end) {
    return config.min_learning_rate;
  }
  const double progress = static_cast<double>(step - config.warmup_steps) /
                          static_cast<double>(end - config.warmup_steps);
  return config.min_learning_rate + (config.learning_rate - config.min_learning_rate) *
                                        (1 + std::cos(std::numbers::pi * progress)) / 2;
}

double clip_factor(const OptimizerConfig& config, double gradient_norm) {
  return config.clip > 0 && gradient_norm > config.clip ? config.clip / gradient_norm : 1;
}

}  // namespace stagecraft
