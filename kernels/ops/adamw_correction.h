// The bias correction of AdamW, which all backends compute on the host.
#pragma once

#include <cmath>
#include <cstdint>

namespace stagecraft {

/// 1 / (1 - beta^step), in float64: beta2^step is close to 1 in the first steps.
inline float adamw_correction(float beta, std::int64_t step) {
  return static_cast<float>(1.0 / (1.0 - std::pow(static_cast<double>(beta), step)));
}

}  // namespace stagecraft
