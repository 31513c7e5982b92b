// AdamW (Loshchilov & Hutter, arXiv 1711.05101) over one range of a flat arena.
#pragma once

#include "kernels/stream.h"
#include "kernels/tensor.h"

namespace stagecraft {

/// With g = gradient * gradient_scale, t = step:
///   m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
///   w = w - learning_rate * (weight_decay * w + (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) +
///   epsilon))
/// Element by element: no cut of the range changes a bit.   updates w, m, v
struct AdamW {
  Tensor weight;         // [n]
  Tensor gradient;       // [n]
  Tensor first_moment;   // [n]
  Tensor second_moment;  // [n]
  float learning_rate = 0;
  float beta1 = 0.9F;
  float beta2 = 0.95F;
  float epsilon = 1e-8F;
  float weight_decay = 0;
  float gradient_scale = 1;
  std::int64_t step = 1;  // from 1
};
void adamw(Stream& stream, const AdamW& args);

}  // namespace stagecraft
