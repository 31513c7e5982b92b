// What a family says of a micro-batch: which tensors it consists of, and what its losses count.
// Both are functions of the samples alone, so every rank that needs them computes them by itself.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "models/data/samples.h"

namespace stagecraft {

/// One tensor of a micro-batch: int32 numbers, [rows] or, of several a row, [per_row, rows].
struct ContentSpec {
  std::string name;  // that LayerSpec::reads has
  std::int64_t per_row = 1;
  bool for_backward = false;  // no forward reads it
  std::function<std::vector<std::int32_t>(const SampleTexts&)> values;
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
