// AdamW (Loshchilov & Hutter, arXiv 1711.05101) over a flat arena of any number of parameters.
#pragma once

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"
#include "kernels/ops/access.h"

namespace stagecraft {

/// What the bounds of AdamW::decayed are counted in, in elements.
inline constexpr std::int64_t kDecayUnit = 16;

/// With g = gradient * gradient_scale, t = step:
///   m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
///   w = w - learning_rate * (weight_decay * w + (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) +
///   epsilon))
/// weight_decay is 0 outside of the ranges `decayed`: [2 r] int32 with begin and end of each, in
/// ascending order, in units of kDecayUnit elements; without them all decay. Element by element: no
/// cut of the arena changes a bit.   updates w, m, v; = rounded
struct AdamW {
  Tensor weight;                // [n] float32, as are gradient and moments
  Tensor gradient;              // [n]
  Tensor first_moment;          // [n]
  Tensor second_moment;         // [n]
  Tensor compute_weights = {};  // [n] bfloat16 or empty: the new weight, to the nearest
  Tensor decayed = {};
  float learning_rate = 0;
  float beta1 = 0.9F;
  float beta2 = 0.95F;
  float epsilon = 1e-8F;
  float weight_decay = 0;
  float gradient_scale = 1;
  std::int64_t step = 1;  // from 1
};
template <>
inline constexpr auto kTensors<AdamW> = std::tuple(updates(&AdamW::weight), reads(&AdamW::gradient),
                                                   updates(&AdamW::first_moment),
                                                   updates(&AdamW::second_moment),
                                                   writes(&AdamW::compute_weights),
                                                   reads(&AdamW::decayed));
void adamw(Stream& stream, const AdamW& args);

}  // namespace stagecraft
