#include "kernels/ops/checks.h"

namespace stagecraft {
namespace {

bool overlap(const Tensor& a, const Tensor& b) {
  if (a.empty() || b.empty() || a.buffer() != b.buffer()) {
    return false;
  }
  const auto* a_begin = static_cast<const char*>(a.raw());
  const auto* b_begin = static_cast<const char*>(b.raw());
  return a_begin < b_begin + b.bytes() && b_begin < a_begin + a.bytes();
}

bool same_elements(const Tensor& a, const Tensor& b) {
  return a.raw() == b.raw() && a.bytes() == b.bytes();
}

}  // namespace

void expect_dtype(std::string_view where, std::string_view name, const Tensor& tensor,
                  DType dtype) {
  require(!tensor.empty(), where, "{} is missing", name);
  require(tensor.dtype() == dtype, where, "{} holds {}, not {}", name, tensor.dtype(), dtype);
}

DType compute_dtype(Stream& stream, std::string_view where, std::string_view name,
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
  require(tensor.rank() == dimensions, where, "{} is {}: it should have {} dimensions", name,
          tensor.shape(), dimensions);
}

void expect_shape(std::string_view where, std::string_view name, const Tensor& tensor,
                  const Shape& shape, DType dtype) {
  expect_dtype(where, name, tensor, dtype);
  require(tensor.shape() == shape, where, "{} is {}: it should be {}", name, tensor.shape(), shape);
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
