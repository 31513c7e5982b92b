// What a family says of a micro-batch: which tensors it consists of, and what its losses count.
// Both are functions of the samples alone, so every rank that needs them computes them by itself.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/core/tensor.h"
#include "models/data/samples.h"

namespace stagecraft {

/// What a content has numbers of.
enum class ContentOf : std::uint8_t { rows, samples };

/// One tensor of a micro-batch: int32 numbers, [n] or, of several each, [each, n].
struct ContentSpec {
  std::string name;  // that LayerSpec::reads has
  ContentOf of = ContentOf::rows;
  std::int64_t each = 1;
  bool for_backward = false;  // no forward reads it
  std::function<std::vector<std::int32_t>(const SampleTexts&)> values;

  /// The shape in a micro-batch of `samples` samples of T = `sequence`.
  Shape shape(std::int64_t samples, std::int64_t sequence) const {
    const std::int64_t n = of == ContentOf::rows ? samples * sequence : samples;
    return each == 1 ? Shape{n} : Shape{each, n};
  }
};

/// One loss of a model: a sum over what it counts, divided by the number of these in the whole
/// step.
struct LossSpec {
  std::string name;
  /// How many rows or samples the loss counts. It may read the samples.
  std::function<std::int64_t(const Samples&)> count;
};

/// What the losses of a step or of an evaluation count, in the order of ModelSpec::losses.
using LossCounts = std::vector<std::int64_t>;

}  // namespace stagecraft
