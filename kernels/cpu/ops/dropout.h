// Dropout masks in runs, and the one row-wise pass that all operations with dropout are.
#pragma once

#include <array>

#include "kernels/cpu/primitives/philox_lanes.h"
#include "kernels/ops/elementwise.h"

namespace stagecraft::cpu {

/// Factors (0 or 1 / (1 - probability)) of consecutive elements of one sequence.
class DropoutRun {
 public:
  static constexpr std::int64_t kElements = 512;

  /// `dropout.probability` > 0.
  explicit DropoutRun(const Dropout& dropout);

  /// The factors of elements first .. first + count - 1 of sample number `sample` of the tensor,
  /// count <= kElements; valid until the next call.
  const float* factors(std::int64_t sample, std::int64_t first, std::int64_t count);

 private:
  static constexpr int kGroup = 4 * kPhiloxLanes;

  Dropout dropout_;
  std::uint32_t threshold_;
  float kept_;
  // A run may begin within a block, and groups are always written whole.
  alignas(64) std::array<float, kElements + kGroup> factors_{};
};

/// y[r] = residual[r] + dropout(x[r] + added[r % added_rows]), or added[added_at[r]] where that is
/// given; other null parts count as zero. Rows of `added` follow each other.
struct DropoutRows {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  MatrixView<float> x;
  const float* added = nullptr;
  std::int64_t added_rows = 1;
  const std::int32_t* added_at = nullptr;
  MatrixView<float> residual = {};
  MatrixView<float> y;
  Dropout dropout;
};
void dropout_rows(Stream& stream, const DropoutRows& args);

}  // namespace stagecraft::cpu
