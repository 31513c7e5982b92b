// GELU and its gradient. Built with -ffp-contract=fast, as block_product.cpp is.
#include <algorithm>
#include <array>

#include "kernels/cpu/primitives/element_runs.h"
#include "kernels/cpu/primitives/vector_exp.h"
#include "kernels/ops/elementwise.h"
#include "kernels/ops/gelu.h"

namespace stagecraft::cpu {
namespace {

/// (1 + tanh(u)) / 2 = 1 / (1 + e^(-2u)) with u the argument of GELU's tanh; e of what is not
/// positive, so that nothing overflows. NaN stays NaN.
inline Vector gate(const Vector& x) {
  const Vector twice = kGeluTwoRoots * (x + kGeluCubic * x * x * x);
  const Vector small = exp_nonpositive(twice < 0.0F ? twice : -twice);
  const Vector least = small / (1.0F + small);
  const Vector result = twice < 0.0F ? least : 1.0F - least;
  return twice == twice ? result : twice;
}

inline Vector slope(const Vector& x) {
  const Vector g = gate(x);
  const Vector above = x < -kGeluSaturation ? Vector{} - kGeluSaturation : x;
  const Vector near = above > kGeluSaturation ? Vector{} + kGeluSaturation : above;
  return g + near * g * (1.0F - g) * kGeluTwoRoots * (1.0F + 3.0F * kGeluCubic * near * near);
}

/// out[i] = f(a[i], b[i]) vector by vector; the last one is filled up with zeros.
template <typename F>
void for_each_vector(const float* a, const float* b, float* out, std::int64_t count, F&& f) {
  std::int64_t i = 0;
  for (; i + kVectorLanes <= count; i += kVectorLanes) {
    store(out + i, f(load(a + i), load(b + i)));
  }
  if (i < count) {
    std::array<float, kVectorLanes> last_a{};
    std::array<float, kVectorLanes> last_b{};
    std::array<float, kVectorLanes> last_out{};
    std::copy(a + i, a + count, last_a.begin());
    std::copy(b + i, b + count, last_b.begin());
    store(last_out.data(), f(load(last_a.data()), load(last_b.data())));
    std::copy_n(last_out.begin(), count - i, out + i);
  }
}

}  // namespace

void gelu_forward(Stream& stream, const GeluForward& args) {
  for_each_run(
      stream,
      [](std::int64_t count, const float* x, float* y) {
        for_each_vector(x, x, y, count,
                        [](const Vector& value, const Vector&) { return value * gate(value); });
      },
      Elements<const float>(args.x), Elements<float>(args.y));
}

void gelu_backward(Stream& stream, const GeluBackward& args) {
  for_each_run(
      stream,
      [](std::int64_t count, const float* dy, const float* x, float* dx) {
        for_each_vector(dy, x, dx, count,
                        [](const Vector& up, const Vector& value) { return up * slope(value); });
      },
      Elements<const float>(args.dy), Elements<const float>(args.x), Elements<float>(args.dx));
}

}  // namespace stagecraft::cpu
