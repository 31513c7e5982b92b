// Cross-entropy over the whole vocabulary written down in float64.
#pragma once

#include "kernels/ops/cross_entropy.h"
#include "tests/conformance/ops/reference.h"

namespace stagecraft::testing {

inline constexpr double kGradientScale = 0.25;

/// Logits [rows, vocabulary], cut over `shards` of `columns` columns each; what is left is padding.
struct CrossEntropyCase {
  std::int64_t rows;
  std::int64_t vocabulary;
  std::int64_t shards;
  std::int64_t columns;
  Values logits = random_values(rows * vocabulary, 1);
  Values targets = some_targets();

  /// Every fourth row is ignored; the others have targets over all of the vocabulary.
  Values some_targets() const {
    Values chosen;
    for (std::int64_t row = 0; row < rows; ++row) {
      chosen.push_back(row % 4 == 2 ? kIgnoredTarget
                                    : static_cast<double>(row * 7919 % vocabulary));
    }
    return chosen;
  }
  std::size_t at(std::int64_t row, std::int64_t token) const {
    return static_cast<std::size_t>(row * vocabulary + token);
  }
  double target(std::int64_t row) const { return targets[static_cast<std::size_t>(row)]; }
};

/// The sum over rows that are not ignored, in nats.
double cross_entropy_reference(const CrossEntropyCase& with, const Values& logits);
/// Of kGradientScale times the sum, by the case's logits; [rows, vocabulary].
Values cross_entropy_reference_gradient(const CrossEntropyCase& with);

}  // namespace stagecraft::testing
