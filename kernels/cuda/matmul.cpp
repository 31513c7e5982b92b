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
          .factors = args.a.dtype(),
          .result = args.c.dtype(),
          .a_turned = a_turned,
          .b_turned = b_turned,
          .aligned = on_16_bytes(args.a) && on_16_bytes(args.b) && on_16_bytes(args.c) &&
                     on_16_bytes(args.bias) && on_16_bytes(args.before_gelu) &&
                     on_16_bytes(args.slope_at)};
}

/// c = op(a) op(b), with what `description` joins to it.
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

void point(const MatmulPlan& plan, cublasLtMatmulDescAttributes_t attribute, const Tensor& at) {
  const void* pointer = at.raw();
  check(cublasLtMatmulDescSetAttribute(plan.joined.get(), attribute, &pointer, sizeof(pointer)),
        kPlace);
}

/// Product and GELU in one, where factors and result are bfloat16 and cublasLt has a way.
bool multiply_with_gelu(CudaStream& on, const Matmul& args, MatmulShape shape) {
  constexpr std::int64_t kAuxiliaryColumns = 8;  // what cublasLt wants a row to be a multiple of
  const bool slope = !args.slope_at.empty();
  if (shape.result != DType::bfloat16 || !shape.aligned || shape.n % kAuxiliaryColumns != 0 ||
      args.bias.empty() != slope) {
    return false;
  }
  shape.epilogue = slope ? Epilogue::gelu_slope : Epilogue::gelu;
  const MatmulPlan& plan = on.matmul_plans().plan(shape);
  if (!plan.known) {
    return false;
  }
  point(plan, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, slope ? args.slope_at : args.before_gelu);
  if (!slope) {
    point(plan, CUBLASLT_MATMUL_DESC_BIAS_POINTER, args.bias);
  }
  multiply(on, args, plan, plan.joined.get());
  return true;
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

void multiply_with_bias(Stream& stream, const Matmul& args, const MatmulShape& shape) {
  if (shape.k == 0) {
    multiply_nothing(stream, args);
    return;
  }
  CudaStream& on = on_cuda(stream);
  const MatmulPlan& plan = on.matmul_plans().plan(shape);
  const bool joined = !args.bias.empty() && plan.joined != nullptr;
  if (joined) {
    point(plan, CUBLASLT_MATMUL_DESC_BIAS_POINTER, args.bias);
  }
  multiply(on, args, plan, joined ? plan.joined.get() : plan.plain.get());
  if (!args.bias.empty() && !joined) {
    add_bias(stream, args);
  }
}

}  // namespace

void matmul(Stream& stream, const Matmul& args) {
  const MatmulShape shape = shape_of(args);
  if (shape.m == 0 || shape.n == 0) {
    return;
  }
  CudaStream& on = on_cuda(stream);
  const DeviceScope scope(on.device().index);
  const bool gelu = !args.before_gelu.empty();
  const bool slope = !args.slope_at.empty();
  if ((gelu || slope) && shape.k > 0 && multiply_with_gelu(on, args, shape)) {
    return;
  }
  Matmul product = args;
  product.c = gelu ? args.before_gelu : args.c;
  multiply_with_bias(stream, product, shape);
  if (gelu) {
    cuda::gelu_forward(stream, {.x = args.before_gelu, .y = args.c});
  } else if (slope) {
    cuda::gelu_backward(stream, {.dy = args.c, .x = args.slope_at, .dx = args.c});
  }
}

}  // namespace stagecraft::cuda
