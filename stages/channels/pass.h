// A pass: one run of a stage's program.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string_view>

namespace stagecraft {

enum class PassKind : std::uint8_t { train, evaluate };

enum class TextPart : std::uint8_t { training, validation };

/// What a kind of pass is; all code that differs by kind asks this table. The losses of every
/// micro-batch leave the last stage.
struct PassTraits {
  std::string_view name;  // in traces
  TextPart enters;        // whose samples
  bool saves;             // forward saves what backward needs
  bool dropout;           // layers drop elements
  bool updates;           // gradients are reported as squares, and an update follows
  bool numbered;          // several behind one step, which Pass::batch numbers
};
inline constexpr std::array kPassTraits{
    PassTraits{"step", TextPart::training, true, true, true, false},
    PassTraits{"evaluation", TextPart::validation, false, false, false, true},
};
constexpr const PassTraits& traits(PassKind kind) {
  return kPassTraits[static_cast<std::size_t>(kind)];
}

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
