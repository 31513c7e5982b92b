#include "kernels/core/tensor.h"

#include <fmt/ranges.h>

#include <functional>
#include <numeric>
#include <utility>

namespace stagecraft {

std::int64_t size_of(DType dtype) {
  switch (dtype) {
    case DType::float64:
      return 8;
    case DType::float32:
    case DType::int32:
      return 4;
    case DType::bfloat16:
      return 2;
  }
  throw Error("size_of", fmt::format("{} is no dtype", static_cast<int>(dtype)));
}

std::string_view to_string(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "float32";
    case DType::float64:
      return "float64";
    case DType::int32:
      return "int32";
    case DType::bfloat16:
      return "bfloat16";
  }
  throw Error("to_string", fmt::format("{} is no dtype", static_cast<int>(dtype)));
}

std::int64_t elements_of(const Shape& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

std::string to_string(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

Tensor::Tensor(std::shared_ptr<Buffer> buffer, std::int64_t offset_bytes, Shape shape, DType dtype)
    : buffer_(std::move(buffer)),
      offset_bytes_(offset_bytes),
      shape_(std::move(shape)),
      dtype_(dtype) {
  require(buffer_ != nullptr && offset_bytes_ >= 0 && offset_bytes_ + bytes() <= buffer_->bytes(),
          "Tensor", "{} {} at byte {} does not lie within its buffer", dtype_, shape_,
          offset_bytes_);
}

std::int64_t Tensor::extent_bytes() const {
  if (contiguous() || elements() == 0) {
    return bytes();
  }
  return ((size(0) - 1) * row_stride_ + size(1)) * size_of(dtype_);
}

Tensor::Tensor(MemoryResource& memory, Shape shape, DType dtype, MemoryLabel label)
    // Braces: the shape is read before it is moved.
    : Tensor{memory.allocate(elements_of(shape) * size_of(dtype), label), 0, std::move(shape),
             dtype} {}

Tensor Tensor::rows(std::int64_t begin, std::int64_t end) const {
  require(rank() >= 1 && 0 <= begin && begin <= end && end <= size(0), "Tensor::rows",
          "rows {} .. {} are not within {}", begin, end, shape_);
  const std::int64_t elements_of_row = size(0) == 0 ? 0 : elements() / size(0);
  const std::int64_t row = contiguous() ? elements_of_row : row_stride_;
  Tensor rows = *this;
  rows.shape_[0] = end - begin;
  rows.offset_bytes_ += begin * row * size_of(dtype_);
  return rows;
}

Tensor Tensor::columns(std::int64_t begin, std::int64_t end) const {
  require(rank() == 2 && 0 <= begin && begin <= end && end <= size(1), "Tensor::columns",
          "columns {} .. {} are not within {}", begin, end, shape_);
  Tensor columns = *this;
  columns.shape_[1] = end - begin;
  columns.offset_bytes_ += begin * size_of(dtype_);
  columns.row_stride_ = end - begin == row_stride() ? 0 : row_stride();
  return columns;
}

Tensor Tensor::view(Shape shape) const {
  require(contiguous(), "Tensor::view", "a column range of {} is not contiguous", shape_);
  require(elements_of(shape) == elements(), "Tensor::view", "{} cannot be seen as {}", shape_,
          shape);
  return {buffer_, offset_bytes_, std::move(shape), dtype_};
}

}  // namespace stagecraft
