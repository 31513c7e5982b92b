// Matrix products.
#pragma once

#include "kernels/stream.h"
#include "kernels/tensor.h"

namespace stagecraft {

enum class Transpose : std::uint8_t { no, yes };

/// c = op(a) op(b) [+ bias] or, with `accumulate`, c += op(a) op(b).
/// op(a) is [M, K], op(b) is [K, N], c is [M, N], all float32; bias, if not empty, is [N] and may
/// not be joined with `accumulate`. The product is cut into pieces of M x N that depend on the
/// shape alone, each computed by one thread over all of K: no bit depends on the thread count.
/// With a bias the bits are those of the product followed by the sum.
struct Matmul {
  Tensor a;
  Transpose transpose_a = Transpose::no;
  Tensor b;
  Transpose transpose_b = Transpose::no;
  Tensor c;
  Tensor bias = {};
  bool accumulate = false;
};
void matmul(Stream& stream, const Matmul& args);

}  // namespace stagecraft
