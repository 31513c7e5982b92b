#include "kernels/cuda/ops/matmul_call.h"

#include <algorithm>
#include <vector>

#include "kernels/cuda/ops/matmul_algorithm.h"
#include "kernels/cuda/runtime/status.h"

namespace stagecraft::cuda {
namespace {

constexpr std::string_view kWhere = "matmul";

/// A column range is aligned if its first element and all of its rows are.
bool on_16_bytes(const Tensor& tensor) {
  constexpr std::int64_t kBytes = 16;
  return tensor.empty() ||
         (reinterpret_cast<std::uintptr_t>(tensor.first_element()) % kBytes == 0 &&
          (tensor.contiguous() || tensor.row_stride() * size_of(tensor.dtype()) % kBytes == 0));
}

/// What an activation reads or writes beside c; empty without one.
const Tensor& activation_of(const Matmul& args) {
  return args.pre_activation.empty() ? args.activation_grad_of : args.pre_activation;
}

/// c = op(a) op(b), with what `description` fuses with it, in one way, which works in `workspace`.
void enqueue(CudaStream& on, const Matmul& args, const MatmulPlan& plan,
             cublasLtMatmulDesc_t description, const MatmulAlgorithm& algorithm, void* workspace) {
  const float one = 1;
  const float before = args.accumulate ? 1 : 0;
  void* const c = args.c.first_element();
  check(
      cublasLtMatmul(on.matmul_plans().library(), description, &one, args.b.tensor.first_element(),
                     plan.left.get(), args.a.tensor.first_element(), plan.right.get(), &before, c,
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
    tried.c = laid_out_as(on.memory(), args.c);
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
    enqueue(on, tried, plan, description, algorithm, workspace->data());
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
  enqueue(on, args, plan, description, algorithm, workspace->data());
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

void point(const MatmulPlan& plan, cublasLtMatmulDescAttributes_t attribute, const Tensor& at) {
  if (!at.empty()) {
    const void* pointer = at.first_element();
    check(cublasLtMatmulDescSetAttribute(plan.fused.get(), attribute, &pointer, sizeof(pointer)),
          kWhere);
  }
}

}  // namespace

MatmulShape shape_of(const Matmul& args) {
  const Tensor& activation = activation_of(args);
  const std::int64_t n = args.c.size(1);
  return {.m = args.c.size(0),
          .n = n,
          .k = args.a.columns(),
          .factors = args.a.tensor.dtype(),
          .result = args.c.dtype(),
          .a_transposed = args.a.transposed(),
          .b_transposed = args.b.transposed(),
          .aligned = on_16_bytes(args.a.tensor) && on_16_bytes(args.b.tensor) &&
                     on_16_bytes(args.c) && on_16_bytes(args.bias) && on_16_bytes(activation),
          .rows = {.a = args.a.tensor.row_stride(),
                   .b = args.b.tensor.row_stride(),
                   .c = args.c.row_stride(),
                   .activation = activation.empty() ? n : activation.row_stride()},
          .next = {}};
}

Tensor laid_out_as(MemoryResource& memory, const Tensor& matrix) {
  return Tensor(memory, {matrix.size(0), matrix.row_stride()}, matrix.dtype(),
                MemoryLabel::workspace)
      .columns(0, matrix.size(1));
}

std::optional<MatmulShape> one_call(const Matmul& args, const MatmulShape& shape) {
  MatmulShape whole = shape;
  whole.epilogue = epilogue_of(args, shape);
  const bool fuses_bias = args.bias.empty() || takes_bias(shape);
  const bool is_whole =
      whole.epilogue != Epilogue::none || (activation_of(args).empty() && fuses_bias);
  return is_whole ? std::optional(whole) : std::nullopt;
}

bool multiply_in_one_call(CudaStream& on, const Matmul& args, const MatmulShape& shape) {
  const std::optional<MatmulShape> whole = one_call(args, shape);
  if (!whole) {
    return false;
  }
  MatmulPlan& plan = on.matmul_plans().plan(*whole);
  if (plan.algorithms.empty()) {
    return false;
  }
  const bool fused = whole->epilogue != Epilogue::none || !args.bias.empty();
  if (fused) {
    point(plan, CUBLASLT_MATMUL_DESC_BIAS_POINTER, args.bias);
    point(plan, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, activation_of(args));
  }
  multiply(on, args, plan, fused ? plan.fused.get() : plan.plain.get());
  return true;
}

}  // namespace stagecraft::cuda
