#include "kernels/cpu/primitives/row_sums.h"

#include <array>

namespace stagecraft::cpu {

void reduce_row_blocks(Stream& stream, const Tensor& partial, std::int64_t first_column,
                       std::int64_t columns, float* out, bool accumulate) {
  constexpr std::int64_t kStrip = 256;
  const auto* sums = partial.data<float>();
  const std::int64_t stride = partial.size(1);
  for_each_range(stream, columns, kStrip, [&](std::int64_t begin, std::int64_t end) {
    std::array<float, kStrip> total{};
    for (std::int64_t block = 0; block < partial.size(0); ++block) {
      const float* from = sums + block * stride + first_column + begin;
#pragma omp simd
      for (std::int64_t c = 0; c < end - begin; ++c) {
        total[c] += from[c];
      }
    }
    for (std::int64_t c = 0; c < end - begin; ++c) {
      out[begin + c] = accumulate ? out[begin + c] + total[c] : total[c];
    }
  });
}

}  // namespace stagecraft::cpu
