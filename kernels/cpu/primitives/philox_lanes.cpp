#include "kernels/cpu/primitives/philox_lanes.h"

#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace stagecraft::cpu {
namespace {

// Each 32-bit word lies in the low half of a 64-bit element: a round is then two 32 x 32 -> 64
// multiplications and no shuffle. High halves are rubbish that a product does not look at. The
// compiler does not find the instruction for such a product by itself.
#if defined(__AVX512F__)
constexpr int kGroup = 8;
#elif defined(__AVX2__)
constexpr int kGroup = 4;
#else
constexpr int kGroup = 2;
#endif
using Words [[gnu::vector_size(kGroup * sizeof(std::uint64_t))]] = std::uint64_t;
using Narrow [[gnu::vector_size(kGroup * sizeof(std::uint32_t))]] = std::uint32_t;

Words product(const Words& word, std::uint32_t factor) {
#if defined(__AVX512F__)
  // The form without a mask makes g++ 12 warn of its own header.
  return reinterpret_cast<Words>(_mm512_maskz_mul_epu32(0xFF, reinterpret_cast<__m512i>(word),
                                                        _mm512_set1_epi64(std::int64_t{factor})));
#elif defined(__AVX2__)
  return reinterpret_cast<Words>(
      _mm256_mul_epu32(reinterpret_cast<__m256i>(word), _mm256_set1_epi64x(std::int64_t{factor})));
#else
  return (word & std::uint64_t{0xFFFFFFFF}) * std::uint64_t{factor};
#endif
}

struct Counters {
  Words c0, c1, c2, c3;
};

void one_round(Counters& c, std::uint32_t k0, std::uint32_t k1) {
  const Words p0 = product(c.c0, 0xD2511F53U);
  const Words p1 = product(c.c2, 0xCD9E8D57U);
  c = {(p1 >> 32) ^ c.c1 ^ std::uint64_t{k0}, p1, (p0 >> 32) ^ c.c3 ^ std::uint64_t{k1}, p0};
}

Counters start(const RandomCoordinate& coordinate, const std::uint32_t* blocks) {
  Narrow narrow;
  std::memcpy(&narrow, blocks, sizeof(narrow));
  const Words zero{};
  const std::uint64_t sample_low = static_cast<std::uint32_t>(coordinate.sample);
  const std::uint64_t sample_high = coordinate.sample >> 32;
  const std::uint64_t step = coordinate.step;
  return {__builtin_convertvector(narrow, Words), zero + sample_low, zero + sample_high,
          zero + step};
}

void store(const Words& from, std::uint32_t* to) {
  const auto narrow = __builtin_convertvector(from, Narrow);
  std::memcpy(to, &narrow, sizeof(narrow));
}

void store(const Counters& c, std::uint32_t* words, std::int64_t stride) {
  store(c.c0, words);
  store(c.c1, words + stride);
  store(c.c2, words + 2 * stride);
  store(c.c3, words + 3 * stride);
}

/// Two groups at a time: a product takes five cycles, and the groups wait beside each other.
void two_groups(const RandomCoordinate& coordinate, const std::uint32_t* blocks,
                std::uint32_t* words, std::int64_t stride) {
  Counters low = start(coordinate, blocks);
  Counters high = start(coordinate, blocks + kGroup);
  for (const auto& [k0, k1] : philox_keys(coordinate.key)) {
    one_round(low, k0, k1);
    one_round(high, k0, k1);
  }
  store(low, words, stride);
  store(high, words + kGroup, stride);
}

}  // namespace

void philox_lanes(const RandomCoordinate& coordinate, const std::uint32_t* blocks,
                  std::uint32_t* words, std::int64_t stride) {
  for (int lane = 0; lane < kPhiloxLanes; lane += 2 * kGroup) {
    two_groups(coordinate, blocks + lane, words + lane, stride);
  }
}

}  // namespace stagecraft::cpu
