#include "kernels/ops/checks.h"

namespace stagecraft {
namespace {

/// Whether both are column ranges of rows of one length and share no column.
bool distinct_columns(const Tensor& a, const Tensor& b) {
  if (a.rank() != 2 || b.rank() != 2 || a.dtype() != b.dtype() ||
      a.row_stride() != b.row_stride()) {
    return false;
  }
  const std::int64_t row = a.row_stride() * size_of(a.dtype());
  if (row == 0) {
    return true;
  }
  const auto distance =
      static_cast<const char*>(b.first_element()) - static_cast<const char*>(a.first_element());
  const std::int64_t column = (distance % row + row) % row;  // of b's first, counted from a's
  return column >= a.size(1) * size_of(a.dtype()) && column + b.size(1) * size_of(b.dtype()) <= row;
}

bool overlap(const Tensor& a, const Tensor& b) {
  if (a.empty() || b.empty() || a.buffer() != b.buffer()) {
    return false;
  }
  const auto* a_begin = static_cast<const char*>(a.first_element());
  const auto* b_begin = static_cast<const char*>(b.first_element());
  return a_begin < b_begin + b.extent_bytes() && b_begin < a_begin + a.extent_bytes() &&
         !distinct_columns(a, b);
}

bool same_elements(const Tensor& a, const Tensor& b) {
  const bool same_rows =
      a.contiguous() ? b.contiguous() : !b.contiguous() && a.row_stride() == b.row_stride();
  return a.first_element() == b.first_element() && a.bytes() == b.bytes() && same_rows;
}

void expect_holds(std::string_view where, std::string_view name, const Tensor& tensor,
                  DType dtype) {
  require(!tensor.empty(), where, "{} is missing", name);
  require(tensor.dtype() == dtype, where, "{} holds {}, not {}", name, tensor.dtype(), dtype);
}

void expect_contiguous(std::string_view where, std::string_view name, const Tensor& tensor) {
  require(tensor.contiguous(), where,
          "{} is a column range of a wider matrix: it should be contiguous", name);
}

void expect_dimensions(std::string_view where, std::string_view name, const Tensor& tensor,
                       int dimensions) {
  require(tensor.rank() == dimensions, where, "{} is {}: it should have {} dimensions", name,
          tensor.shape(), dimensions);
}

void expect_size(std::string_view where, std::string_view name, const Tensor& tensor,
                 const Shape& shape) {
  require(tensor.shape() == shape, where, "{} is {}: it should be {}", name, tensor.shape(), shape);
}

}  // namespace

void expect_dtype(std::string_view where, std::string_view name, const Tensor& tensor,
                  DType dtype) {
  expect_holds(where, name, tensor, dtype);
  expect_contiguous(where, name, tensor);
}

DType compute_dtype(Stream& stream, std::string_view where, std::string_view name,
                    const Tensor& tensor) {
  const DType dtype = compute_matrix_dtype(stream, where, name, tensor);
  expect_contiguous(where, name, tensor);
  return dtype;
}

DType compute_matrix_dtype(Stream& stream, std::string_view where, std::string_view name,
                           const Tensor& tensor) {
  require(!tensor.empty(), where, "{} is missing", name);
  const DType dtype = tensor.dtype();
  require(dtype == DType::float32 || dtype == DType::bfloat16, where,
          "{} holds {}, neither float32 nor bfloat16", name, dtype);
  const std::string_view reason = without_bfloat16(stream);
  require(dtype == DType::float32 || reason.empty(), where,
          "{} holds bfloat16, and {} computes in float32 only: {}", name, stream.device(), reason);
  return dtype;
}

void expect_rank(std::string_view where, std::string_view name, const Tensor& tensor,
                 int dimensions, DType dtype) {
  expect_dtype(where, name, tensor, dtype);
  expect_dimensions(where, name, tensor, dimensions);
}

void expect_matrix(std::string_view where, std::string_view name, const Tensor& tensor,
                   DType dtype) {
  expect_holds(where, name, tensor, dtype);
  expect_dimensions(where, name, tensor, 2);
}

void expect_shape(std::string_view where, std::string_view name, const Tensor& tensor,
                  const Shape& shape, DType dtype) {
  expect_dtype(where, name, tensor, dtype);
  expect_size(where, name, tensor, shape);
}

void expect_matrix(std::string_view where, std::string_view name, const Tensor& tensor,
                   const Shape& shape, DType dtype) {
  expect_holds(where, name, tensor, dtype);
  expect_size(where, name, tensor, shape);
}

void expect_disjoint(std::string_view where, std::string_view written_name, const Tensor& written,
                     std::string_view read_name, const Tensor& read) {
  require(!overlap(written, read), where, "{} shares memory with {}, which is still read",
          written_name, read_name);
}

void expect_same_or_disjoint(std::string_view where, std::string_view written_name,
                             const Tensor& written, std::string_view read_name,
                             const Tensor& read) {
  require(!overlap(written, read) || same_elements(written, read), where,
          "{} shares a part of its memory with {}, which is still read", written_name, read_name);
}

}  // namespace stagecraft
