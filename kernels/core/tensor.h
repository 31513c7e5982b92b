// A tensor: a buffer handle, an offset, a shape and a dtype; row-major. It is contiguous, or a
// column range of a contiguous matrix.
#pragma once

#include <boost/container/static_vector.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>

#include "kernels/base/bfloat16.h"
#include "kernels/base/error.h"
#include "kernels/base/formatter.h"
#include "kernels/core/memory.h"

namespace stagecraft {

enum class DType : std::uint8_t { float32, float64, int32, bfloat16 };

std::int64_t size_of(DType dtype);
std::string_view to_string(DType dtype);

/// The dtype that a C++ element type stands for.
template <typename T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>) {
    return DType::float32;
  } else if constexpr (std::is_same_v<T, double>) {
    return DType::float64;
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    return DType::bfloat16;
  } else {
    static_assert(std::is_same_v<T, std::int32_t>, "no dtype stands for this element type");
    return DType::int32;
  }
}

/// Sizes of the dimensions, slowest first; at most five.
using Shape = boost::container::static_vector<std::int64_t, 5>;

std::int64_t elements_of(const Shape& shape);
/// "[4, 256, 768]".
std::string to_string(const Shape& shape);

}  // namespace stagecraft

template <>
struct fmt::formatter<stagecraft::DType> : stagecraft::ToStringFormatter<stagecraft::DType> {};

/// Shape is an alias, whose namespace does not have its to_string().
template <>
struct fmt::formatter<stagecraft::Shape> : stagecraft::ToStringFormatter<stagecraft::Shape> {
  auto format(const stagecraft::Shape& shape, fmt::format_context& context) const {
    return fmt::format_to(context.out(), "{}", stagecraft::to_string(shape));
  }
};

namespace stagecraft {

/// Where the elements of a matrix lie: element (row, column) is row_stride * row + column elements
/// behind the first.
template <typename T>
struct MatrixView {
  T* data = nullptr;
  std::int64_t row_stride = 0;
  T* row(std::int64_t index) const { return data + index * row_stride; }
};

/// A handle: copies share the bytes. A default-constructed tensor is empty() and has no buffer.
class Tensor {
 public:
  Tensor() = default;
  Tensor(std::shared_ptr<Buffer> buffer, std::int64_t offset_bytes, Shape shape, DType dtype);
  /// New memory, contents undefined.
  Tensor(MemoryResource& memory, Shape shape, DType dtype, MemoryLabel label);

  bool empty() const { return buffer_ == nullptr; }
  const Shape& shape() const { return shape_; }
  std::int64_t size(int dimension) const { return shape_.at(static_cast<std::size_t>(dimension)); }
  int rank() const { return static_cast<int>(shape_.size()); }
  DType dtype() const { return dtype_; }
  std::int64_t elements() const { return elements_of(shape_); }
  /// Of the elements. A column range lies in a longer stretch of memory: extent_bytes().
  std::int64_t bytes() const { return elements() * size_of(dtype_); }
  /// Bytes from the first element to the end of the last.
  std::int64_t extent_bytes() const;
  const std::shared_ptr<Buffer>& buffer() const { return buffer_; }

  /// Whether the elements follow each other without gaps: all tensors but column ranges.
  bool contiguous() const { return row_stride_ == 0; }
  /// Elements from the begin of one row of a matrix to the begin of the next.
  std::int64_t row_stride() const { return contiguous() ? size(1) : row_stride_; }

  /// The first element; throws Error unless T is what dtype() says, and for a column range. On a
  /// GPU a device pointer.
  template <typename T>
  T* data() const {
    expect_dtype(dtype_of<T>());
    return static_cast<T*>(raw());
  }
  /// The first element; throws Error for a column range.
  void* raw() const {
    require(contiguous(), "Tensor::raw", "a column range of rows of {} elements is not contiguous",
            row_stride_);
    return first_element();
  }
  /// The first element, contiguous or not.
  void* first_element() const { return static_cast<char*>(buffer_->data()) + offset_bytes_; }
  /// A matrix, which may be a column range; throws Error unless T is what dtype() says.
  template <typename T>
  MatrixView<T> matrix() const {
    expect_dtype(dtype_of<T>());
    return {static_cast<T*>(first_element()), row_stride()};
  }

  /// Rows begin .. end-1 of the first dimension, sharing the bytes.
  Tensor rows(std::int64_t begin, std::int64_t end) const;
  /// Columns begin .. end-1 of a matrix, sharing the bytes.
  Tensor columns(std::int64_t begin, std::int64_t end) const;
  /// The same elements under another shape of equal size; the tensor is contiguous.
  Tensor view(Shape shape) const;

 private:
  void expect_dtype(DType dtype) const {
    require(dtype_ == dtype, "Tensor::data", "the tensor holds {}, not {}", dtype_, dtype);
  }

  std::shared_ptr<Buffer> buffer_;
  std::int64_t offset_bytes_ = 0;
  Shape shape_;
  std::int64_t row_stride_ = 0;  // of a column range; 0: contiguous
  DType dtype_ = DType::float32;
};

}  // namespace stagecraft
