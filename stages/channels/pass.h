// A pass: one run of a stage's program.
#pragma once

#include <compare>
#include <cstdint>

namespace stagecraft {

enum class PassKind : std::uint8_t { train, evaluate };

/// One run of a stage's program: a training step, or one batch of an evaluation. Step 0 is the
/// priming step: it does everything that step 1 does except the update, so that memory, algorithms
/// and connections are ready when training begins.
struct Pass {
  PassKind kind = PassKind::train;
  std::int64_t step = 0;   // the training step, from 1; or the step that an evaluation follows
  std::int64_t batch = 0;  // evaluation: which batch, from 0
  friend auto operator<=>(const Pass&, const Pass&) = default;
};

}  // namespace stagecraft
