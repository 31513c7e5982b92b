// AdamW in one pass over weight, gradient and both moments.
#include "kernels/ops/adamw.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "kernels/cpu/runtime/parallel.h"
#include "kernels/ops/adamw_correction.h"

namespace stagecraft::cpu {
namespace {

struct Arenas {
  float* weight;
  const float* gradient;
  float* first;
  float* second;
  BFloat16* compute_weights;
};

/// By value, so that the loop need not ask whether a store to an arena changed them.
struct Coefficients {
  explicit Coefficients(const AdamW& args)
      : rate(args.learning_rate),
        decay(args.weight_decay),
        scale(args.gradient_scale),
        epsilon(args.epsilon),
        beta1(args.beta1),
        beta2(args.beta2),
        correction1(adamw_correction(args.beta1, args.step)),
        correction2(adamw_correction(args.beta2, args.step)) {}

  float rate;
  float decay;
  float scale;
  float epsilon;
  float beta1;
  float beta2;
  float correction1;
  float correction2;
};

/// 28 bytes an element; the memory is the limit.
void update_run(const Arenas on, const Coefficients with, std::int64_t begin, std::int64_t end) {
#pragma omp simd
  for (std::int64_t i = begin; i < end; ++i) {
    const float g = on.gradient[i] * with.scale;
    const float m = with.beta1 * on.first[i] + (1.0F - with.beta1) * g;
    const float v = with.beta2 * on.second[i] + (1.0F - with.beta2) * (g * g);
    const float w = on.weight[i];
    const float step = (m * with.correction1) / (std::sqrt(v * with.correction2) + with.epsilon);
    on.first[i] = m;
    on.second[i] = v;
    on.weight[i] = w - with.rate * (with.decay * w + step);
  }
  if (on.compute_weights != nullptr) {
    std::transform(on.weight + begin, on.weight + end, on.compute_weights + begin, to_bfloat16);
  }
}

/// Run by run of elements that all decay or all do not.
void update(const Arenas& on, const Coefficients& decaying, std::span<const std::int32_t> decayed,
            std::int64_t begin, std::int64_t end) {
  Coefficients plain = decaying;
  plain.decay = 0;
  auto bound = std::upper_bound(decayed.begin(), decayed.end(), begin / kDecayUnit);
  while (begin < end) {
    const std::int64_t next = bound == decayed.end() ? end : std::min(end, *bound * kDecayUnit);
    const bool inside = decayed.empty() || (bound - decayed.begin()) % 2 == 1;
    update_run(on, inside ? decaying : plain, begin, next);
    begin = next;
    bound += bound == decayed.end() ? 0 : 1;
  }
}

}  // namespace

void adamw(Stream& stream, const AdamW& args) {
  constexpr std::int64_t kRange = 65536;  // elements
  const Arenas on = {
      args.weight.data<float>(), args.gradient.data<float>(), args.first_moment.data<float>(),
      args.second_moment.data<float>(),
      args.compute_weights.empty() ? nullptr : args.compute_weights.data<BFloat16>()};
  std::span<const std::int32_t> decayed;
  if (!args.decayed.empty()) {
    decayed = {args.decayed.data<std::int32_t>(), static_cast<std::size_t>(args.decayed.size(0))};
  }
  const Coefficients with(args);
  for_each_range(stream, args.weight.elements(), kRange, [&](std::int64_t begin, std::int64_t end) {
    update(on, with, decayed, begin, end);
  });
}

}  // namespace stagecraft::cpu
