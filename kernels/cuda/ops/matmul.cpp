// Matrix products through cublasLt.
#include "kernels/ops/matmul.h"

#include <algorithm>
#include <vector>

#include "kernels/cuda/ops/matmul_algorithm.h"
#include "kernels/cuda/runtime/cuda_stream.h"
#include "kernels/cuda/runtime/device_scope.h"
#include "kernels/cuda/runtime/status.h"
#include "kernels/ops/dispatch.h"
#include "kernels/ops/elementwise.h"

namespace stagecraft::cuda {
namespace {

constexpr std::string_view kWhere = "matmul";

bool on_16_bytes(const Tensor& tensor) {
  return tensor.empty() || reinterpret_cast<std::uintptr_t>(tensor.raw()) % 16 == 0;
}

MatmulShape shape_of(const Matmul& args) {
  const bool a_transposed = args.transpose_a == Transpose::yes;
  const bool b_transposed = args.transpose_b == Transpose::yes;
  return {.m = args.c.size(0),
          .n = args.c.size(1),
          .k = args.a.size(a_transposed ? 0 : 1),
          .factors = args.a.dtype(),
          .result = args.c.dtype(),
          .a_transposed = a_transposed,
          .b_transposed = b_transposed,
          .aligned = on_16_bytes(args.a) && on_16_bytes(args.b) && on_16_bytes(args.c) &&
                     on_16_bytes(args.bias) && on_16_bytes(args.pre_activation) &&
                     on_16_bytes(args.activation_grad_of)};
}

/// c = op(a) op(b), with what `description` fuses with it, in one way, which works in `workspace`.
void multiply(CudaStream& on, const Matmul& args, const MatmulPlan& plan,
              cublasLtMatmulDesc_t description, const MatmulAlgorithm& algorithm, void* workspace) {
  const float one = 1;
  const float before = args.accumulate ? 1 : 0;
  void* const c = args.c.raw();
  check(cublasLtMatmul(on.matmul_plans().library(), description, &one, args.b.raw(),
                       plan.left.get(), args.a.raw(), plan.right.get(), &before, c,
                       plan.result.get(), c, plan.result.get(), &algorithm.algorithm, workspace,
                       static_cast<std::size_t>(algorithm.workspace_bytes), on.native()),
        kWhere);
}

/// Leaves the plan the way that its product is computed in from now on. What is added to stays as
/// it is.
void choose(CudaStream& on, const Matmul& args, MatmulPlan& plan,
            cublasLtMatmulDesc_t description) {
  Matmul tried = args;
  tried.accumulate = false;
  if (args.accumulate) {
    tried.c = Tensor(on.memory(), args.c.shape(), args.c.dtype(), MemoryLabel::workspace);
  }
  std::vector<Tensor> results = {tried.c};
  if (!args.pre_activation.empty()) {
    results.push_back(args.pre_activation);
  }
  std::int64_t most_bytes = 0;
  for (const MatmulAlgorithm& algorithm : plan.algorithms) {
    most_bytes = std::max(most_bytes, algorithm.workspace_bytes);
  }
  const auto workspace = on.memory().allocate(most_bytes, MemoryLabel::workspace);
  const RunWay run = [&](const MatmulAlgorithm& algorithm) {
    multiply(on, tried, plan, description, algorithm, workspace->data());
  };
  plan.algorithms = {fastest_algorithm(on, plan.algorithms, run, results)};
  plan.chosen = true;
}

void multiply(CudaStream& on, const Matmul& args, MatmulPlan& plan,
              cublasLtMatmulDesc_t description) {
  if (plan.algorithms.size() > 1) {
    choose(on, args, plan, description);
  }
  if (plan.chosen) {
    on.count(&StreamUse::chosen_products);
  }
  const MatmulAlgorithm& algorithm = plan.algorithms.front();
  const auto workspace = on.memory().allocate(algorithm.workspace_bytes, MemoryLabel::workspace);
  multiply(on, args, plan, description, algorithm, workspace->data());
}

void point(const MatmulPlan& plan, cublasLtMatmulDescAttributes_t attribute, const Tensor& at) {
  const void* pointer = at.raw();
  check(cublasLtMatmulDescSetAttribute(plan.fused.get(), attribute, &pointer, sizeof(pointer)),
        kWhere);
}

/// What can be fused with a product of bfloat16 in all.
Epilogue epilogue_of(const Matmul& args, const MatmulShape& shape) {
  constexpr std::int64_t kAuxiliaryColumns = 8;  // what cublasLt wants a row to be a multiple of
  const bool active = !args.pre_activation.empty();
  const bool slope = !args.activation_grad_of.empty();
  const bool bias = !args.bias.empty();
  if (shape.result != DType::bfloat16 || shape.a_transposed) {
    return Epilogue::none;
  }
  if (!active && !slope) {
    return bias ? Epilogue::bias : Epilogue::none;
  }
  if (args.activation != Activation::gelu_tanh || !shape.aligned ||
      shape.n % kAuxiliaryColumns != 0 || bias == slope) {
    return Epilogue::none;
  }
  return slope ? Epilogue::gelu_slope : Epilogue::gelu;
}

/// Product and what is fused with it in one, where factors and result are bfloat16 and cublasLt has
/// a way.
bool multiply_fused(CudaStream& on, const Matmul& args, MatmulShape shape) {
  shape.epilogue = epilogue_of(args, shape);
  if (shape.epilogue == Epilogue::none) {
    return false;
  }
  MatmulPlan& plan = on.matmul_plans().plan(shape);
  if (plan.algorithms.empty()) {
    return false;
  }
  if (shape.epilogue == Epilogue::gelu_slope) {
    point(plan, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, args.activation_grad_of);
  } else {
    point(plan, CUBLASLT_MATMUL_DESC_BIAS_POINTER, args.bias);
  }
  if (shape.epilogue == Epilogue::gelu) {
    point(plan, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, args.pre_activation);
  }
  multiply(on, args, plan, plan.fused.get());
  return true;
}

void add_bias(Stream& stream, const Matmul& args) {
  dispatch(stream, BiasDropoutResidual{.x = args.c, .bias = args.bias, .y = args.c});
}

/// A sum of no terms is zero.
void multiply_nothing(Stream& stream, const Matmul& args) {
  if (!args.accumulate) {
    dispatch(stream, FillZero{args.c});
  }
  if (!args.bias.empty()) {
    add_bias(stream, args);
  }
}

void multiply_with_bias(Stream& stream, const Matmul& args, const MatmulShape& shape) {
  if (shape.k == 0) {
    multiply_nothing(stream, args);
    return;
  }
  CudaStream& on = on_cuda(stream);
  MatmulPlan& plan = on.matmul_plans().plan(shape);
  const bool fused = !args.bias.empty() && plan.fused != nullptr;
  if (fused) {
    point(plan, CUBLASLT_MATMUL_DESC_BIAS_POINTER, args.bias);
  }
  multiply(on, args, plan, fused ? plan.fused.get() : plan.plain.get());
  if (!args.bias.empty() && !fused) {
    add_bias(stream, args);
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
  if (shape.k > 0 && multiply_fused(on, args, shape)) {
    return;
  }
  const bool active = !args.pre_activation.empty();
  const bool slope = !args.activation_grad_of.empty();
  Matmul product = args;
  product.c = active ? args.pre_activation : args.c;
  product.pre_activation = product.activation_grad_of = Tensor();
  if (shape.k == 0 || !multiply_fused(on, product, shape)) {
    multiply_with_bias(stream, product, shape);
  }
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

}  // namespace stagecraft::cuda
