// GELU and its gradient.
#include "kernels/cuda/ops/elementwise.h"
#include "kernels/cuda/primitives/map_groups.cuh"

namespace stagecraft::cuda {
namespace {

constexpr float kTwoRoots = 1.59576912160573071F;  // 2 sqrt(2 / pi)
constexpr float kCubic = 0.044715F;

/// (1 + tanh(u)) / 2 = 1 / (1 + e^(-2u)) with u the argument of GELU's tanh; where e overflows, the
/// quotient is the 0 that it should be.
template <typename T>
__device__ float gate(float x) {
  const float twice = kTwoRoots * (x + kCubic * x * x * x);
  return 1.0F / (1.0F + expf(-twice));
}

/// By the device's own approximations of 2^t and 1 / t, whose relative errors vanish in bfloat16.
template <>
__device__ float gate<BFloat16>(float x) {
  constexpr float kLinear = -1.44269504088896341F * kTwoRoots;  // -log2(e) 2 sqrt(2 / pi)
  const float exponent = x * fmaf(kLinear * kCubic, x * x, kLinear);
  float power;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(exponent));
  float quotient;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(quotient) : "f"(1.0F + power));
  return quotient;
}

template <typename T>
struct Gelu {
  __device__ float operator()(float x) const { return x * gate<T>(x); }
};

template <typename T>
struct GeluSlope {
  __device__ float operator()(float dy, float x) const {
    const float g = gate<T>(x);
    // Beyond 30 the gate is 0 or 1: what it is multiplied by should only not overflow.
    const float near = fminf(fmaxf(x, -30.0F), 30.0F);
    return dy * (g + near * g * (1.0F - g) * kTwoRoots * (1.0F + 3.0F * kCubic * near * near));
  }
};

}  // namespace

void gelu_forward(Stream& stream, const GeluForward& args) {
  with_element(args.x.dtype(), [&]<typename T>() {
    const Mapped<T, 1> on{{args.x.data<T>()}, args.y.data<T>(), args.x.elements()};
    map_groups<Gelu<T>>(stream, "gelu_forward", is_vectorizable({on.x[0], on.y}, on.count), on);
  });
}

void gelu_backward(Stream& stream, const GeluBackward& args) {
  with_element(args.x.dtype(), [&]<typename T>() {
    const Mapped<T, 2> on{
        {args.dy.data<T>(), args.x.data<T>()}, args.dx.data<T>(), args.x.elements()};
    map_groups<GeluSlope<T>>(stream, "gelu_backward",
                             is_vectorizable({on.x[0], on.x[1], on.y}, on.count), on);
  });
}

}  // namespace stagecraft::cuda
