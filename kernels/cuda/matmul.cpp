#include "kernels/cuda/matmul.h"

#include "kernels/cuda/cuda_stream.h"
#include "kernels/cuda/device_scope.h"
#include "kernels/cuda/elementwise.h"
#include "kernels/cuda/status.h"

namespace stagecraft::cuda {
namespace {

constexpr std::string_view kPlace = "matmul";

bool on_16_bytes(const Tensor& tensor) {
  return tensor.empty() || reinterpret_cast<std::uintptr_t>(tensor.raw()) % 16 == 0;
}

MatmulShape shape_of(const Matmul& args) {
  const bool a_turned = args.transpose_a == Transpose::yes;
  const bool b_turned = args.transpose_b == Transpose::yes;
  return {.m = args.c.size(0),
          .n = args.c.size(1),
          .k = args.a.size(a_turned ? 0 : 1),
          .a_turned = a_turned,
          .b_turned = b_turned,
          .aligned = on_16_bytes(args.a) && on_16_bytes(args.b) && on_16_bytes(args.c) &&
                     on_16_bytes(args.bias)};
}

/// c = op(a) op(b), with the bias where `description` has one.
void multiply(CudaStream& on, const Matmul& args, const MatmulPlan& plan,
              cublasLtMatmulDesc_t description) {
  const Tensor workspace(on.memory(), {(plan.workspace_bytes + 3) / 4}, DType::float32,
                         MemoryLabel::workspace);
  const float one = 1;
  const float before = args.accumulate ? 1 : 0;
  void* const c = args.c.raw();
  check(cublasLtMatmul(on.matmul_plans().library(), description, &one, args.b.raw(),
                       plan.left.get(), args.a.raw(), plan.right.get(), &before, c,
                       plan.result.get(), c, plan.result.get(), &plan.algorithm, workspace.raw(),
                       static_cast<std::size_t>(plan.workspace_bytes), on.native()),
        kPlace);
}

cublasLtMatmulDesc_t biased(const Matmul& args, const MatmulPlan& plan) {
  const void* bias = args.bias.raw();
  check(cublasLtMatmulDescSetAttribute(plan.with_bias.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                                       &bias, sizeof(bias)),
        kPlace);
  return plan.with_bias.get();
}

void add_bias(Stream& stream, const Matmul& args) {
  cuda::bias_dropout_residual(stream, {.x = args.c, .bias = args.bias, .y = args.c});
}

/// A sum of no terms is zero.
void multiply_nothing(Stream& stream, const Matmul& args) {
  if (!args.accumulate) {
    cuda::fill_zero(stream, {args.c});
  }
  if (!args.bias.empty()) {
    add_bias(stream, args);
  }
}

}  // namespace

void matmul(Stream& stream, const Matmul& args) {
  const MatmulShape shape = shape_of(args);
  if (shape.m == 0 || shape.n == 0) {
    return;
  }
  if (shape.k == 0) {
    multiply_nothing(stream, args);
    return;
  }
  CudaStream& on = on_cuda(stream);
  const DeviceScope scope(on.device().index);
  const MatmulPlan& plan = on.matmul_plans().plan(shape);
  const bool joined = !args.bias.empty() && plan.with_bias != nullptr;
  multiply(on, args, plan, joined ? biased(args, plan) : plan.plain.get());
  if (!args.bias.empty() && !joined) {
    add_bias(stream, args);
  }
}

}  // namespace stagecraft::cuda
