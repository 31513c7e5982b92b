// Matrix products.
#pragma once

#include <utility>

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"
#include "kernels/ops/access.h"
#include "kernels/ops/activation.h"

namespace stagecraft {

enum class Transpose : std::uint8_t { no, yes };

/// A factor of a product: op(tensor), which is the tensor or its transpose.
struct MatmulOperand {
  MatmulOperand() = default;
  MatmulOperand(Tensor matrix, Transpose transposed = Transpose::no)
      : tensor(std::move(matrix)), transpose(transposed) {}

  bool empty() const { return tensor.empty(); }
  bool transposed() const { return transpose == Transpose::yes; }
  /// Of op(tensor).
  std::int64_t rows() const { return tensor.size(transposed() ? 1 : 0); }
  std::int64_t columns() const { return tensor.size(transposed() ? 0 : 1); }

  Tensor tensor;
  Transpose transpose = Transpose::no;
};

/// c = op(a) op(b) [+ bias] or, with `accumulate`, c += op(a) op(b).
/// op(a) is [M, K], op(b) is [K, N], c is [M, N], all float32; or a and b are bfloat16, c bfloat16
/// or float32, and the sums float32. bias, if not empty, is [N], holds what c does and may not be
/// combined with `accumulate`. All matrices may be column ranges. On the CPU the bits are those of
/// contiguous copies; on a GPU those of copies that are aligned alike (docs/cuda.md). The product
/// is cut into pieces of M x N that depend on the shape alone, each computed by one thread over all
/// of K: no bit depends on the thread count. In float32 the bits with a bias are those of the
/// product followed by the sum; a result in bfloat16 may be rounded once, behind the bias.
///
/// An activation f (activation.h) may be fused with a product that does not accumulate, in one of
/// two ways: pre_activation, if not empty, receives what c would have been, and c becomes
/// f(pre_activation); or c becomes the product times f'(activation_grad_of). Both are [M, N] and
/// hold what c does. On the CPU, in float32, and for kinds other than gelu_tanh, the bits are those
/// of the parts; in bfloat16 gelu_tanh may be taken of the sum before it is rounded.
struct Matmul {
  MatmulOperand a;
  MatmulOperand b;
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

/// What each product of a batch takes of a matrix: all of it, or one of `count` equal parts.
enum class BatchPart : std::uint8_t { all, rows, columns };

/// `count` products of one shape. Number i takes part i of each matrix of `joined` as it lies,
/// which is before it is transposed, and elements i N .. (i + 1) N - 1 of a bias [count N]. Each
/// product has the bits that matmul() gives it alone. Four products that share x and write y side
/// by side:
///   {.joined = {.a = x, .b = w, .c = y}, .count = 4, .b = BatchPart::rows}
/// with x [M, K], w [4 K, N] and y [M, 4 N].
struct MatmulBatch {
  Matmul joined;
  std::int64_t count = 1;
  BatchPart a = BatchPart::all;
  BatchPart b = BatchPart::all;
  BatchPart c = BatchPart::columns;  // not all; also of pre_activation and activation_grad_of
};
template <>
inline constexpr auto kTensors<MatmulBatch> = std::tuple(nested(&MatmulBatch::joined));
/// Product number `number` of the batch.
Matmul product_of(const MatmulBatch& batch, std::int64_t number);
double flops_of(const MatmulBatch& args);
void matmul_batch(Stream& stream, const MatmulBatch& args);

}  // namespace stagecraft
