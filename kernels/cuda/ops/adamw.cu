// AdamW in one pass over weight, gradient and both moments.
#include "kernels/ops/adamw.h"

#include "kernels/cuda/primitives/for_each_group.cuh"
#include "kernels/ops/adamw_correction.h"

namespace stagecraft::cuda {
namespace {

/// 28 bytes an element, 2 more with a rounded copy; the memory is the limit.
struct Update {
  explicit Update(const AdamW& args)
      : weight(args.weight.data<float>()),
        gradient(args.gradient.data<float>()),
        first(args.first_moment.data<float>()),
        second(args.second_moment.data<float>()),
        compute_weights(args.compute_weights.empty() ? nullptr
                                                     : args.compute_weights.data<BFloat16>()),
        decayed(args.decayed.empty() ? nullptr : args.decayed.data<std::int32_t>()),
        bounds(args.decayed.empty() ? 0 : static_cast<int>(args.decayed.size(0))),
        rate(args.learning_rate),
        weight_decay(args.weight_decay),
        scale(args.gradient_scale),
        epsilon(args.epsilon),
        beta1(args.beta1),
        beta2(args.beta2),
        correction1(adamw_correction(args.beta1, args.step)),
        correction2(adamw_correction(args.beta2, args.step)) {}

  static constexpr int kGroups = 1;
  struct Loaded {
    float4 g, m, v, w;
  };

  template <bool Vectorized>
  __device__ Loaded load(std::int64_t at, std::int64_t count) const {
    return {load4<Vectorized>(gradient, at, count), load4<Vectorized>(first, at, count),
            load4<Vectorized>(second, at, count), load4<Vectorized>(weight, at, count)};
  }

  template <bool Vectorized>
  __device__ void store(std::int64_t at, std::int64_t count, const Loaded& loaded) const {
    const float4 g = loaded.g;
    float4 m = loaded.m;
    float4 v = loaded.v;
    float4 w = loaded.w;
    const float decay = decay_at(at);
    one(g.x, decay, m.x, v.x, w.x);
    one(g.y, decay, m.y, v.y, w.y);
    one(g.z, decay, m.z, v.z, w.z);
    one(g.w, decay, m.w, v.w, w.w);
    store4<Vectorized>(first, at, count, m);
    store4<Vectorized>(second, at, count, v);
    store4<Vectorized>(weight, at, count, w);
    if (compute_weights != nullptr) {
      store4<Vectorized>(compute_weights, at, count, w);
    }
  }

  /// Of a group, which lies within one unit of the ranges: behind an odd number of bounds is
  /// inside.
  __device__ float decay_at(std::int64_t at) const {
    if (decayed == nullptr) {
      return weight_decay;
    }
    const auto unit = static_cast<std::int32_t>(at / kDecayUnit);
    int below = 0;
    int above = bounds;
    while (below < above) {
      const int middle = (below + above) / 2;
      const bool passed = decayed[middle] <= unit;
      below = passed ? middle + 1 : below;
      above = passed ? above : middle;
    }
    return below % 2 == 1 ? weight_decay : 0.0F;
  }

  __device__ void one(float gradient_element, float decay, float& m, float& v, float& w) const {
    const float g = gradient_element * scale;
    m = beta1 * m + (1.0F - beta1) * g;
    v = beta2 * v + (1.0F - beta2) * (g * g);
    const float step = (m * correction1) / (sqrtf(v * correction2) + epsilon);
    w = w - rate * (decay * w + step);
  }

  float* weight;
  const float* gradient;
  float* first;
  float* second;
  BFloat16* compute_weights;
  const std::int32_t* decayed;
  int bounds;
  float rate;
  float weight_decay;
  float scale;
  float epsilon;
  float beta1;
  float beta2;
  float correction1;
  float correction2;
};

}  // namespace

void adamw(Stream& stream, const AdamW& args) {
  const Update f(args);
  for_each_group(stream, "adamw", args.weight.elements(),
                 is_vectorizable({f.weight, f.gradient, f.first, f.second, f.compute_weights}), f);
}

}  // namespace stagecraft::cuda
