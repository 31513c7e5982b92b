// The numbers of GELU by tanh (Hendrycks & Gimpel, arXiv 1606.08415), which all backends share:
// gelu(x) = x (1 + tanh(u)) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3).
#pragma once

namespace stagecraft {

inline constexpr float kGeluTwoRoots = 1.59576912160573071F;  // 2 sqrt(2 / pi)
inline constexpr float kGeluCubic = 0.044715F;
/// Beyond it (1 + tanh(u)) / 2 is 0 or 1 in float32. The gradient clamps x to it, so that the term
/// that is multiplied by 0 does not overflow.
inline constexpr float kGeluSaturation = 30.0F;

}  // namespace stagecraft
