#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "kernels/base/error.h"
#include "models/optim/optimizer_config.h"

namespace stagecraft {
namespace {

OptimizerConfig config_of(std::int64_t steps, std::int64_t warmup) {
  OptimizerConfig config;
  config.steps = steps;
  config.warmup_steps = warmup;
  config.learning_rate = 1e-3;
  config.min_learning_rate = 1e-4;
  return config;
}

TEST_CASE("the learning rate has a linear warm-up and then half a cosine") {
  const OptimizerConfig config = config_of(10, 2);
  CHECK(learning_rate_at(config, 1) == Approx(0.5e-3).epsilon(1e-14));
  CHECK(learning_rate_at(config, 2) == Approx(1e-3).epsilon(1e-14));
  // After a quarter, half and all of the cosine's eight steps.
  CHECK(learning_rate_at(config, 4) ==
        Approx(1e-4 + 9e-4 * (1 + std::sqrt(0.5)) / 2).epsilon(1e-14));
  CHECK(learning_rate_at(config, 6) == Approx(5.5e-4).epsilon(1e-14));
  CHECK(learning_rate_at(config, 10) == Approx(1e-4).epsilon(1e-14));
}

TEST_CASE("the learning rate without warm-up, and with warm-up only") {
  CHECK(learning_rate_at(config_of(2, 0), 1) == Approx(5.5e-4).epsilon(1e-14));
  CHECK(learning_rate_at(config_of(1, 0), 1) == Approx(1e-4).epsilon(1e-14));
  CHECK(learning_rate_at(config_of(4, 4), 4) == Approx(1e-3).epsilon(1e-14));
  CHECK(learning_rate_at(config_of(2, 8), 2) == Approx(0.25e-3).epsilon(1e-14));
}

TEST_CASE("the learning rate falls until decay_steps, whatever the run's length, and then stays") {
  OptimizerConfig longer = config_of(20, 2);
  longer.decay_steps = 10;
  OptimizerConfig shorter = config_of(5, 2);
  shorter.decay_steps = 10;
  const OptimizerConfig plain = config_of(10, 2);
  for (std::int64_t step = 1; step <= 10; ++step) {
    CHECK(learning_rate_at(longer, step) == learning_rate_at(plain, step));
    if (step <= 5) {
      CHECK(learning_rate_at(shorter, step) == learning_rate_at(plain, step));
    }
  }
  CHECK(learning_rate_at(longer, 11) == 1e-4);
  CHECK(learning_rate_at(longer, 20) == 1e-4);
}

TEST_CASE("the learning rate of a step outside the run is an error") {
  CHECK_THROWS_AS(learning_rate_at(config_of(10, 2), 0), Error);
  CHECK_THROWS_WITH(learning_rate_at(config_of(10, 2), 11),
                    "[learning_rate_at] step 11 is outside of 1 .. 10");
}

TEST_CASE("clipping scales only gradients with too large a norm") {
  OptimizerConfig config = config_of(1, 0);
  config.clip = 0.5;
  CHECK(clip_factor(config, 2) == 0.25);
  CHECK(clip_factor(config, 0.5) == 1);
  CHECK(clip_factor(config, 0.1) == 1);
  CHECK(clip_factor(config, 0) == 1);
  CHECK(clip_factor(config, std::numeric_limits<double>::infinity()) == 0);
  config.clip = 0;
  CHECK(clip_factor(config, 100) == 1);
}

}  // namespace
}  // namespace stagecraft
