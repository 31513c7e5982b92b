// Dropout masks on the device: the same Philox numbers as everywhere (kernels/base/random.h).
#pragma once

#include <cstdint>

#include "kernels/base/random.h"
#include "kernels/ops/elementwise.h"

namespace stagecraft::cuda {

/// What a mask's kernel is given.
struct Mask {
  explicit Mask(const Dropout& dropout)
      : probability(dropout.probability),
        threshold(keep_threshold(dropout.probability)),
        kept(1.0F / (1.0F - dropout.probability)),
        step(dropout.step),
        keys(philox_keys(dropout.key)),
        first_sample(dropout.first_sample) {}

  __host__ __device__ bool active() const { return probability > 0; }

  /// factors[i] = 0 or 1 / (1 - probability), of element first + i of the sample; Count <= 4.
  template <int Count>
  __device__ void factors(std::uint64_t sample, std::uint64_t first,
                          float (&factors)[Count]) const {
    const auto block = static_cast<std::uint32_t>(first / 4);
    const auto lead = static_cast<int>(first % 4);
    if (lead == 0) {
      block_factors(sample, block, factors);
      return;
    }
    const PhiloxBlock words = words_of(sample, block);
    const PhiloxBlock more = lead + Count > 4 ? words_of(sample, block + 1) : PhiloxBlock{};
#pragma unroll
    for (int i = 0; i < Count; ++i) {
      std::uint32_t word = 0;
#pragma unroll
      for (int w = 1; w < 8; ++w) {  // no index that is not known: the words stay in registers
        word = lead + i == w ? (w < 4 ? words[w % 4] : more[w % 4]) : word;
      }
      factors[i] = factor_of(word);
    }
  }

  /// Of the first elements of a block of four.
  template <int Count>
  __device__ void block_factors(std::uint64_t sample, std::uint32_t block,
                                float (&factors)[Count]) const {
    const PhiloxBlock words = words_of(sample, block);
#pragma unroll
    for (int i = 0; i < Count; ++i) {
      factors[i] = factor_of(words[i]);
    }
  }

  __device__ PhiloxBlock words_of(std::uint64_t sample, std::uint32_t block) const {
    return philox(keys, random_counter({.step = step, .sample = first_sample + sample}, block));
  }

  __device__ float factor_of(std::uint32_t word) const { return word >= threshold ? kept : 0.0F; }

  float probability;
  std::uint32_t threshold;
  float kept;
  std::uint32_t step;
  PhiloxKeys keys;  // drawn up once, by the host: a kernel reads them as constants
  std::uint64_t first_sample;
};

/// Mask::factors() of Count elements, more than four at a time too.
template <int Count>
__device__ void mask_factors(const Mask& mask, std::int64_t sample, std::uint64_t first,
                             float (&factors)[Count]) {
  constexpr int kPart = Count < 4 ? Count : 4;
#pragma unroll
  for (int i = 0; i < Count; i += kPart) {
    float part[kPart];
    mask.factors(static_cast<std::uint64_t>(sample), first + i, part);
#pragma unroll
    for (int p = 0; p < kPart; ++p) {
      factors[i + p] = part[p];
    }
  }
}

}  // namespace stagecraft::cuda
