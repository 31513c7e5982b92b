// GELU and its gradient.
#include "kernels/cuda/elementwise.h"
#include "kernels/cuda/for_each_group.cuh"

namespace stagecraft::cuda {
namespace {

constexpr float kTwoRoots = 1.59576912160573071F;  // 2 sqrt(2 / pi)
constexpr float kCubic = 0.044715F;

/// (1 + tanh(u)) / 2 = 1 / (1 + e^(-2u)) with u the argument of GELU's tanh; where e overflows, the
/// quotient is the 0 that it should be.
__device__ float gate(float x) {
  const float twice = kTwoRoots * (x + kCubic * x * x * x);
  return 1.0F / (1.0F + expf(-twice));
}

__device__ float gelu(float x) { return x * gate(x); }

__device__ float slope(float x) {
  const float g = gate(x);
  return g + x * g * (1.0F - g) * kTwoRoots * (1.0F + 3.0F * kCubic * x * x);
}

template <typename T>
struct Forward {
  const T* x;
  T* y;
  template <bool Wide>
  __device__ void apply(std::int64_t at, std::int64_t count) const {
    const float4 v = load4<Wide>(x, at, count);
    store4<Wide>(y, at, count, {gelu(v.x), gelu(v.y), gelu(v.z), gelu(v.w)});
  }
};

template <typename T>
struct Backward {
  const T* dy;
  const T* x;
  T* dx;
  template <bool Wide>
  __device__ void apply(std::int64_t at, std::int64_t count) const {
    const float4 v = load4<Wide>(x, at, count);
    const float4 up = load4<Wide>(dy, at, count);
    store4<Wide>(dx, at, count, up * float4{slope(v.x), slope(v.y), slope(v.z), slope(v.w)});
  }
};

}  // namespace

void gelu_forward(Stream& stream, const GeluForward& args) {
  with_element(args.x.dtype(), [&]<typename T>() {
    const Forward<T> f{args.x.data<T>(), args.y.data<T>()};
    for_each_group(stream, "gelu_forward", args.x.elements(), moves_wide({f.x, f.y}), f);
  });
}

void gelu_backward(Stream& stream, const GeluBackward& args) {
  with_element(args.x.dtype(), [&]<typename T>() {
    const Backward<T> f{args.dy.data<T>(), args.x.data<T>(), args.dx.data<T>()};
    for_each_group(stream, "gelu_backward", args.x.elements(), moves_wide({f.dy, f.x, f.dx}), f);
  });
}

}  // namespace stagecraft::cuda
