// What every operation asks of its arguments. Messages read "[operation] name is ...".
#pragma once

#include <string_view>

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"

namespace stagecraft {

/// `tensor` exists, holds `dtype` and is contiguous.
void expect_dtype(std::string_view where, std::string_view name, const Tensor& tensor,
                  DType dtype = DType::float32);

/// What an operation computes on: `tensor` exists and is contiguous, and what it holds, float32 or
/// bfloat16, is returned. Throws Error for other dtypes, and where the stream's device does not
/// compute in bfloat16, saying why.
DType compute_dtype(Stream& stream, std::string_view where, std::string_view name,
                    const Tensor& tensor);

/// The same for a matrix, which may be a column range.
DType compute_matrix_dtype(Stream& stream, std::string_view where, std::string_view name,
                           const Tensor& tensor);

/// Why the stream's device does not compute in bfloat16; empty where it does.
std::string_view without_bfloat16(Stream& stream);

/// `tensor` exists, holds `dtype`, is contiguous and has `dimensions` dimensions.
void expect_rank(std::string_view where, std::string_view name, const Tensor& tensor,
                 int dimensions, DType dtype = DType::float32);

/// `tensor` exists, holds `dtype`, is contiguous and has exactly `shape`.
void expect_shape(std::string_view where, std::string_view name, const Tensor& tensor,
                  const Shape& shape, DType dtype = DType::float32);

/// `tensor` exists, holds `dtype` and has two dimensions. It may be a column range.
void expect_matrix(std::string_view where, std::string_view name, const Tensor& tensor,
                   DType dtype);

/// As expect_shape() for a matrix, which may be a column range.
void expect_matrix(std::string_view where, std::string_view name, const Tensor& tensor,
                   const Shape& shape, DType dtype = DType::float32);

/// The two share no element: column ranges of one matrix share none if they share no column.
/// `written` is stored while `read` is still needed.
void expect_disjoint(std::string_view where, std::string_view written_name, const Tensor& written,
                     std::string_view read_name, const Tensor& read);

/// The two share no element, or are the very same elements: each is read before it is written.
void expect_same_or_disjoint(std::string_view where, std::string_view written_name,
                             const Tensor& written, std::string_view read_name, const Tensor& read);

}  // namespace stagecraft
