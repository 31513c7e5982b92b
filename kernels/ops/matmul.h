// Matrix products.
#pragma once

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"
#include "kernels/ops/access.h"
#include "kernels/ops/activation.h"

namespace stagecraft {

enum class Transpose : std::uint8_t { no, yes };

/// c = op(a) op(b) [+ bias] or, with `accumulate`, c += op(a) op(b).
/// op(a) is [M, K], op(b) is [K, N], c is [M, N], all float32; or a and b are bfloat16, c bfloat16
/// or float32, and the sums float32. bias, if not empty, is [N], holds what c does and may not be
/// combined with `accumulate`. The product is cut into pieces of M x N that depend on the
/// shape alone, each computed by one thread over all of K: no bit depends on the thread count.
/// In float32 the bits with a bias are those of the product followed by the sum; a result in
/// bfloat16 may be rounded once, behind the bias.
///
/// An activation f (activation.h) may be fused with a product that does not accumulate, in one of
/// two ways: pre_activation, if not empty, receives what c would have been, and c becomes
/// f(pre_activation); or c becomes the product times f'(activation_grad_of). Both are [M, N] and
/// hold what c does. On the CPU, in float32, and for kinds other than gelu_tanh, the bits are those
/// of the parts; in bfloat16 gelu_tanh may be taken of the sum before it is rounded.
struct Matmul {
  Tensor a;
  Transpose transpose_a = Transpose::no;
  Tensor b;
  Transpose transpose_b = Transpose::no;
  Tensor c;
  Tensor bias = {};
  Tensor pre_activation = {};
  Tensor activation_grad_of = {};
  Activation activation = Activation::gelu_tanh;
  bool accumulate = false;
};
template <>
inline constexpr auto kTensors<Matmul> = std::tuple(reads(&Matmul::a), reads(&Matmul::b),
                                                    accumulates(&Matmul::c), reads(&Matmul::bias),
                                                    writes(&Matmul::pre_activation),
                                                    reads(&Matmul::activation_grad_of));
double flops_of(const Matmul& args);
void matmul(Stream& stream, const Matmul& args);

}  // namespace stagecraft
