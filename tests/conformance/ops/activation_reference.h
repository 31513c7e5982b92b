// Activations in float64.
#pragma once

#include <cmath>
#include <numbers>

#include "kernels/ops/activation.h"

namespace stagecraft::testing {

inline constexpr Activation kActivations[] = {Activation::gelu_tanh, Activation::gelu_erf,
                                              Activation::relu};

inline double activated(Activation kind, double x) {
  switch (kind) {
    case Activation::gelu_tanh:
      return 0.5 * x *
             (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
    case Activation::gelu_erf:
      return 0.5 * x * std::erfc(-x / std::numbers::sqrt2);
    case Activation::relu:
      break;
  }
  return x > 0 ? x : 0;
}

inline double activation_slope(Activation kind, double x) {
  constexpr double kStep = 1e-5;
  return (activated(kind, x + kStep) - activated(kind, x - kStep)) / (2 * kStep);
}

}  // namespace stagecraft::testing
