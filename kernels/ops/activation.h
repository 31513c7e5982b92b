// The kinds of activation, and their numbers, which all backends share.
#pragma once

#include <cstdint>

namespace stagecraft {

/// f of activation_forward (elementwise.h), element by element.
/// gelu_tanh: x (1 + tanh(u)) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3) (Hendrycks & Gimpel,
/// arXiv 1606.08415). gelu_erf: x (1 + erf(x / sqrt(2))) / 2. relu: max(x, 0), with slope 0 at 0.
enum class Activation : std::uint8_t { gelu_tanh, gelu_erf, relu };

inline constexpr float kGeluTwoRoots = 1.59576912160573071F;  // 2 sqrt(2 / pi)
inline constexpr float kGeluCubic = 0.044715F;
/// Beyond it (1 + tanh(u)) / 2 is 0 or 1 in float32. The gradient clamps x to it, so that the term
/// that is multiplied by 0 does not overflow.
inline constexpr float kGeluSaturation = 30.0F;
inline constexpr float kNormalDensity = 0.398942280401432678F;  // 1 / sqrt(2 pi)

}  // namespace stagecraft
