// Matrix products through cublasLt.
#include "kernels/ops/matmul.h"

#include <optional>
#include <vector>

#include "kernels/cuda/ops/matmul_algorithm.h"
#include "kernels/cuda/ops/matmul_call.h"
#include "kernels/cuda/runtime/device_scope.h"
#include "kernels/ops/dispatch.h"
#include "kernels/ops/elementwise.h"

namespace stagecraft::cuda {
namespace {

void add_bias(Stream& stream, const Matmul& args) {
  if (!args.bias.empty()) {
    dispatch(stream, BiasDropoutResidual{.x = args.c, .bias = args.bias, .y = args.c});
  }
}

/// A sum of no terms is zero.
void multiply_nothing(Stream& stream, const Matmul& args) {
  if (!args.accumulate) {
    dispatch(stream, FillZero{args.c});
  }
  add_bias(stream, args);
}

void multiply_with_bias(CudaStream& on, const Matmul& args, const MatmulShape& shape) {
  if (shape.k == 0) {
    multiply_nothing(on, args);
  } else if (!multiply_in_one_call(on, args, shape)) {
    Matmul product = args;
    product.bias = Tensor();
    multiply_in_one_call(on, product, shape);
    add_bias(on, args);
  }
}

void multiply_apart(Stream& stream, const MatmulBatch& batch) {
  for (std::int64_t number = 0; number < batch.count; ++number) {
    dispatch(stream, product_of(batch, number));
  }
}

/// From what one product takes to what the next does, in elements.
std::int64_t distance(const Tensor& from, const Tensor& to) {
  return from.empty() ? 0
                      : (static_cast<const char*>(to.first_element()) -
                         static_cast<const char*>(from.first_element())) /
                            size_of(from.dtype());
}

/// Of a batch that one call may compute: all of its products are aligned alike, so that they have
/// one algorithm when they are alone.
std::optional<MatmulShape> batch_shape(const MatmulBatch& batch) {
  const Matmul first = product_of(batch, 0);
  const Matmul second = product_of(batch, batch.count > 1 ? 1 : 0);
  MatmulShape shape = shape_of(first);
  shape.count = batch.count;
  shape.next = {.a = distance(first.a.tensor, second.a.tensor),
                .b = distance(first.b.tensor, second.b.tensor),
                .c = distance(first.c, second.c),
                .activation = distance(first.pre_activation, second.pre_activation) +
                              distance(first.activation_grad_of, second.activation_grad_of)};
  const auto is_aligned = [](std::int64_t distance, DType dtype) {
    return distance * size_of(dtype) % 16 == 0;
  };
  const bool one_alignment =
      is_aligned(shape.next.a, shape.factors) && is_aligned(shape.next.b, shape.factors) &&
      is_aligned(shape.next.c, shape.result) && is_aligned(shape.next.activation, shape.result) &&
      is_aligned(distance(first.bias, second.bias), shape.result);
  const bool has_sums = shape.m > 0 && shape.n > 0 && shape.k > 0;
  return batch.count > 1 && one_alignment && has_sums ? std::optional(shape) : std::nullopt;
}

/// Makes the plan of a batch, whose one call has to give the bits of each product alone. It is
/// compared on the operands of its first call; what is added to stays as it is.
void compare(CudaStream& on, const MatmulBatch& batch, const MatmulShape& shape) {
  MatmulBatch tried = batch;
  tried.joined.accumulate = false;
  if (batch.joined.accumulate) {
    tried.joined.c = laid_out_as(on.memory(), batch.joined.c);
  }
  std::vector<Tensor> results = {tried.joined.c};
  if (!tried.joined.pre_activation.empty()) {
    results.push_back(tried.joined.pre_activation);
  }
  multiply_apart(on, tried);  // its algorithm is chosen from now on
  const auto apart = fingerprint(on, results);
  const Matmul first = product_of(tried, 0);
  if (multiply_in_one_call(on, first, shape) && fingerprint(on, results) != apart) {
    on.matmul_plans().plan(*one_call(first, shape)).algorithms.clear();
  }
}

}  // namespace

/// In float32 one algorithm serves a shape with a bias and without: the bits of a product do not
/// depend on whether a bias is fused with it. GELU by tanh and its slope are fused with products of
/// bfloat16 factors only; of these, large ones are computed by the fastest of the ways that give
/// the same bits (matmul_algorithm.h). K is divided only where a is transposed (matmul_plan.cpp).
void matmul(Stream& stream, const Matmul& args) {
  const MatmulShape shape = shape_of(args);
  if (shape.m == 0 || shape.n == 0) {
    return;
  }
  CudaStream& on = on_cuda(stream);
  const DeviceScope scope(on.device().index);
  if (shape.k > 0 && multiply_in_one_call(on, args, shape)) {
    return;
  }
  const bool active = !args.pre_activation.empty();
  const bool slope = !args.activation_grad_of.empty();
  Matmul product = args;
  product.c = active ? args.pre_activation : args.c;
  product.pre_activation = product.activation_grad_of = Tensor();
  MatmulShape part = shape_of(product);
  part.aligned = shape.aligned;
  multiply_with_bias(on, product, part);
  if (active) {
    dispatch(stream,
             ActivationForward{.x = args.pre_activation, .y = args.c, .kind = args.activation});
  } else if (slope) {
    dispatch(
        stream,
        ActivationBackward{
            .dy = args.c, .x = args.activation_grad_of, .dx = args.c, .kind = args.activation});
  }
}

void matmul_batch(Stream& stream, const MatmulBatch& args) {
  CudaStream& on = on_cuda(stream);
  const DeviceScope scope(on.device().index);
  const std::optional<MatmulShape> shape = batch_shape(args);
  const Matmul first = product_of(args, 0);
  const std::optional<MatmulShape> whole = shape ? one_call(first, *shape) : std::nullopt;
  if (whole && !on.matmul_plans().has(*whole)) {
    compare(on, args, *shape);
  }
  if (!whole || !multiply_in_one_call(on, first, *shape)) {
    multiply_apart(stream, args);
  }
}

}  // namespace stagecraft::cuda
