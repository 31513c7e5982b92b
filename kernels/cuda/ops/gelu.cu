// GELU and its gradient.
#include "kernels/cuda/primitives/for_each_group.cuh"
#include "kernels/ops/elementwise.h"
#include "kernels/ops/gelu.h"

namespace stagecraft::cuda {
namespace {

/// (1 + tanh(u)) / 2 = 1 / (1 + e^(-2u)) with u the argument of GELU's tanh; where e overflows, the
/// quotient is the 0 that it should be.
template <typename T>
__device__ float gate(float x) {
  const float twice = kGeluTwoRoots * (x + kGeluCubic * x * x * x);
  return 1.0F / (1.0F + expf(-twice));
}

/// By the device's own approximations of 2^t and 1 / t, whose relative errors vanish in bfloat16.
template <>
__device__ float gate<BFloat16>(float x) {
  constexpr float kLinear = -1.44269504088896341F * kGeluTwoRoots;  // -log2(e) 2 sqrt(2 / pi)
  const float exponent = x * fmaf(kLinear * kGeluCubic, x * x, kLinear);
  float power;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(exponent));
  float quotient;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(quotient) : "f"(1.0F + power));
  return quotient;
}

template <typename T>
__device__ float gelu(float x) {
  return x * gate<T>(x);
}

template <typename T>
__device__ float gelu_gradient(float dy, float x) {
  const float g = gate<T>(x);
  const float near = fminf(fmaxf(x, -kGeluSaturation), kGeluSaturation);
  return dy *
         (g + near * g * (1.0F - g) * kGeluTwoRoots * (1.0F + 3.0F * kGeluCubic * near * near));
}

template <typename T>
struct ForwardGroups {
  static constexpr int kGroups = 2;
  static constexpr bool kWholeGroups = true;
  using Loaded = Packed<T>;
  const T* x;
  T* y;
  __device__ ForwardGroups at_row(std::int64_t row, const RowStrides& strides) const {
    return {x + row * strides.of[0], y + row * strides.of[1]};
  }
  template <bool Vectorized>
  __device__ Loaded load(std::int64_t at, std::int64_t count) const {
    return load_packed<Vectorized>(x, at, count);
  }
  template <bool Vectorized>
  __device__ void store(std::int64_t at, std::int64_t count, const Loaded& loaded) const {
    const float4 v = unpacked<T>(loaded);
    store_packed<Vectorized>(y, at, count,
                             {gelu<T>(v.x), gelu<T>(v.y), gelu<T>(v.z), gelu<T>(v.w)});
  }
};

template <typename T>
struct BackwardGroups {
  static constexpr int kGroups = 2;
  static constexpr bool kWholeGroups = true;
  struct Loaded {
    Packed<T> dy, x;
  };
  const T* dy;
  const T* x;
  T* dx;
  __device__ BackwardGroups at_row(std::int64_t row, const RowStrides& strides) const {
    return {dy + row * strides.of[0], x + row * strides.of[1], dx + row * strides.of[2]};
  }
  template <bool Vectorized>
  __device__ Loaded load(std::int64_t at, std::int64_t count) const {
    return {load_packed<Vectorized>(dy, at, count), load_packed<Vectorized>(x, at, count)};
  }
  template <bool Vectorized>
  __device__ void store(std::int64_t at, std::int64_t count, const Loaded& loaded) const {
    const float4 d = unpacked<T>(loaded.dy);
    const float4 v = unpacked<T>(loaded.x);
    store_packed<Vectorized>(dx, at, count,
                             {gelu_gradient<T>(d.x, v.x), gelu_gradient<T>(d.y, v.y),
                              gelu_gradient<T>(d.z, v.z), gelu_gradient<T>(d.w, v.w)});
  }
};

}  // namespace

void gelu_forward(Stream& stream, const GeluForward& args) {
  with_element(args.x.dtype(), [&]<typename T>() {
    const ForwardGroups<T> f{first_of<T>(args.x), first_of<T>(args.y)};
    for_each_element(stream, "gelu_forward", f, args.x, args.y);
  });
}

void gelu_backward(Stream& stream, const GeluBackward& args) {
  with_element(args.x.dtype(), [&]<typename T>() {
    const BackwardGroups<T> f{first_of<T>(args.dy), first_of<T>(args.x), first_of<T>(args.dx)};
    for_each_element(stream, "gelu_backward", f, args.dy, args.x, args.dx);
  });
}

}  // namespace stagecraft::cuda
