// Matrices as tensors of their own and as column ranges of wider ones.
#pragma once

#include "tests/conformance/ops/reference.h"

namespace stagecraft::testing {

/// How a matrix lies: on its own; on its own, but not on 16 bytes; as a column range whose rows lie
/// on 16 bytes; as one whose rows do not.
enum class Layout { contiguous, contiguous_unaligned, aligned_columns, unaligned_columns };

/// A matrix in a wider one of NaN.
class LaidMatrix {
 public:
  LaidMatrix(Stream& stream, const Shape& shape, const Values& values, Layout layout,
             DType dtype = DType::float32)
      : rows_(shape[0]), columns_(shape[1]) {
    if (layout == Layout::contiguous) {
      whole_ = matrix_ = tensor_of(stream, shape, values, dtype);
      width_ = columns_;
    } else if (layout == Layout::contiguous_unaligned) {
      Values behind_one(1, kNaN);
      behind_one.insert(behind_one.end(), values.begin(), values.end());
      const Tensor flat = tensor_of(stream, {rows_ * columns_ + 1}, behind_one, dtype);
      whole_ = matrix_ = flat.rows(1, rows_ * columns_ + 1).view(shape);
      width_ = columns_;
    } else {
      begin_ = layout == Layout::aligned_columns ? 16 : 3;
      width_ =
          layout == Layout::aligned_columns ? (columns_ + 31) / 8 * 8 : (columns_ + 10) / 2 * 2 + 1;
      whole_ = tensor_of(stream, {rows_, width_}, widened(values), dtype);
      matrix_ = whole_.columns(begin_, begin_ + columns_);
    }
  }
  /// Nothing but NaN.
  LaidMatrix(Stream& stream, const Shape& shape, Layout layout, DType dtype = DType::float32)
      : LaidMatrix(stream, shape, Values(static_cast<std::size_t>(elements_of(shape)), kNaN),
                   layout, dtype) {}

  const Tensor& tensor() const { return matrix_; }

  /// The matrix's elements. What lies beside them must still be NaN.
  Values values(Stream& stream) const {
    const Values whole = values_of(stream, whole_);
    Values inside;
    for (std::size_t i = 0; i < whole.size(); ++i) {
      if (is_inside(static_cast<std::int64_t>(i) % width_)) {
        inside.push_back(whole[i]);
      } else if (!std::isnan(whole[i])) {
        FAIL("element " << i << " beside the column range was written");
      }
    }
    return inside;
  }

 private:
  static constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

  bool is_inside(std::int64_t column) const {
    return column >= begin_ && column < begin_ + columns_;
  }
  Values widened(const Values& values) const {
    Values wide(static_cast<std::size_t>(rows_ * width_), kNaN);
    for (std::int64_t row = 0; row < rows_; ++row) {
      std::copy_n(values.begin() + row * columns_, columns_, wide.begin() + row * width_ + begin_);
    }
    return wide;
  }

  std::int64_t rows_;
  std::int64_t columns_;
  std::int64_t begin_ = 0;
  std::int64_t width_ = 0;
  Tensor whole_;
  Tensor matrix_;
};

}  // namespace stagecraft::testing
