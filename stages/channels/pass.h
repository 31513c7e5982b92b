// One run of a stage's program.
#pragma once

#include <cstdint>

namespace stagecraft {

enum class PassKind : std::uint8_t { train, evaluate };

/// One run of a stage's program: a training step, or one batch of an evaluation. Step 0 primes:
/// it does everything that step 1 will do except the update, so that memory, algorithms and
/// connections are there when training begins.
struct Pass {
  PassKind kind = PassKind::train;
  std::int64_t step = 0;   // training step, from 1; the step that an evaluation follows
  std::int64_t batch = 0;  // evaluation: which batch, from 0
  friend bool operator==(const Pass&, const Pass&) = default;
};

}  // namespace stagecraft
