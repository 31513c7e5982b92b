#include "tests/conformance/ops/cross_entropy_reference.h"

#include <algorithm>
#include <cmath>

namespace stagecraft::testing {
namespace {

double lse_of(const CrossEntropyCase& with, const Values& logits, std::int64_t row) {
  const auto first = logits.begin() + row * with.vocabulary;
  const double maximum = *std::max_element(first, first + with.vocabulary);
  double sum = 0;
  for (std::int64_t token = 0; token < with.vocabulary; ++token) {
    sum += std::exp(first[token] - maximum);
  }
  return maximum + std::log(sum);
}

}  // namespace

double cross_entropy_reference(const CrossEntropyCase& with, const Values& logits) {
  double loss = 0;
  for (std::int64_t row = 0; row < with.rows; ++row) {
    if (with.target(row) != kIgnoredTarget) {
      const auto target = static_cast<std::int64_t>(with.target(row));
      loss += lse_of(with, logits, row) - logits[with.at(row, target)];
    }
  }
  return loss;
}

Values cross_entropy_reference_gradient(const CrossEntropyCase& with) {
  Values gradient(with.logits.size());
  for (std::int64_t row = 0; row < with.rows; ++row) {
    if (with.target(row) == kIgnoredTarget) {
      continue;
    }
    const double lse = lse_of(with, with.logits, row);
    for (std::int64_t token = 0; token < with.vocabulary; ++token) {
      const std::size_t at = with.at(row, token);
      const double hit = with.target(row) == static_cast<double>(token) ? 1 : 0;
      gradient[at] = kGradientScale * (std::exp(with.logits[at] - lse) - hit);
    }
  }
  return gradient;
}

}  // namespace stagecraft::testing
