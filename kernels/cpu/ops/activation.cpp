// Activations and their gradients. Built with -ffp-contract=fast, as block_product.cpp is.
#include <algorithm>
#include <array>

#include "kernels/cpu/primitives/element_runs.h"
#include "kernels/cpu/primitives/vector_exp.h"
#include "kernels/ops/elementwise.h"

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

struct GeluTanh {
  static Vector value(const Vector& x) { return x * gate(x); }
  static Vector gradient(const Vector& dy, const Vector& x) {
    const Vector g = gate(x);
    const Vector above = x < -kGeluSaturation ? Vector{} - kGeluSaturation : x;
    const Vector near = above > kGeluSaturation ? Vector{} + kGeluSaturation : above;
    return dy *
           (g + near * g * (1.0F - g) * kGeluTwoRoots * (1.0F + 3.0F * kGeluCubic * near * near));
  }
};

/// (1 + erf(x / sqrt(2))) / 2, by a Chebyshev fit of erfc with a relative error of 1.2e-7 (Press et
/// al., Numerical Recipes, erfcc). NaN stays NaN.
inline Vector normal_distribution(const Vector& x) {
  constexpr std::array kFit = {0.17087277F,  -0.82215223F, 1.48851587F, -1.13520398F, 0.27886807F,
                               -0.18628806F, 0.09678418F,  0.37409196F, 1.00002368F,  -1.26551223F};
  const Vector z = 0.707106781186547524F * (x < 0.0F ? -x : x);
  const Vector t = 1.0F / (1.0F + 0.5F * z);
  Vector fit = Vector{} + kFit[0];
  for (std::size_t i = 1; i < kFit.size(); ++i) {
    fit = fit * t + kFit[i];
  }
  const Vector exponent = fit - z * z;
  const Vector half = 0.5F * t * exp_nonpositive(exponent < 0.0F ? exponent : Vector{});
  const Vector result = x < 0.0F ? half : 1.0F - half;
  return x == x ? result : x;
}

struct GeluErf {
  static Vector value(const Vector& x) { return x * normal_distribution(x); }
  static Vector gradient(const Vector& dy, const Vector& x) {
    const Vector density = kNormalDensity * exp_nonpositive(-0.5F * x * x);
    return dy * (normal_distribution(x) + x * density);
  }
};

/// NaN stays NaN.
struct Relu {
  static Vector value(const Vector& x) { return x < 0.0F ? Vector{} : x; }
  static Vector gradient(const Vector& dy, const Vector& x) { return x > 0.0F ? dy : Vector{}; }
};

/// Calls f(GeluTanh()), f(GeluErf()) or f(Relu()).
template <typename F>
void with_kind(Activation kind, F&& f) {
  switch (kind) {
    case Activation::gelu_tanh:
      f(GeluTanh());
      break;
    case Activation::gelu_erf:
      f(GeluErf());
      break;
    case Activation::relu:
      f(Relu());
      break;
  }
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

void activation_forward(Stream& stream, const ActivationForward& args) {
  with_kind(args.kind, [&](auto kind) {
    for_each_run(
        stream,
        [&](std::int64_t count, const float* x, float* y) {
          for_each_vector(x, x, y, count,
                          [&](const Vector& at, const Vector&) { return kind.value(at); });
        },
        Elements<const float>(args.x), Elements<float>(args.y));
  });
}

void activation_backward(Stream& stream, const ActivationBackward& args) {
  with_kind(args.kind, [&](auto kind) {
    for_each_run(
        stream,
        [&](std::int64_t count, const float* dy, const float* x, float* dx) {
          for_each_vector(dy, x, dx, count, [&](const Vector& up, const Vector& at) {
            return kind.gradient(up, at);
          });
        },
        Elements<const float>(args.dy), Elements<const float>(args.x), Elements<float>(args.dx));
  });
}

}  // namespace stagecraft::cpu
