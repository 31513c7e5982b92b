// Counter-based random numbers: Philox4x32-7 (Salmon et al., SC 2011, "Parallel random numbers: as
// easy as 1, 2, 3"; seven rounds are the fewest that pass all of BigCrush). Every number is a
// function of (seed, name, step, global sample, element index in the global tensor), never of a
// rank or of the order of evaluation. What is constexpr here is compiled for GPUs too: one
// definition serves every device.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace stagecraft {

using PhiloxBlock = std::array<std::uint32_t, 4>;

inline constexpr int kPhiloxRounds = 7;

/// The keys of the rounds: a function of the first, so that many blocks can share them.
using PhiloxKeys = std::array<std::array<std::uint32_t, 2>, kPhiloxRounds>;

constexpr PhiloxKeys philox_keys(std::uint64_t key) {
  PhiloxKeys keys{};
  for (std::uint32_t round = 0; round < kPhiloxRounds; ++round) {
    keys[round] = {static_cast<std::uint32_t>(key) + round * 0x9E3779B9U,
                   static_cast<std::uint32_t>(key >> 32) + round * 0xBB67AE85U};
  }
  return keys;
}

/// One 128-bit counter through the rounds: four independent 32-bit words.
constexpr PhiloxBlock philox(const PhiloxKeys& keys, PhiloxBlock counter) {
  for (const std::array<std::uint32_t, 2>& key : keys) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53U} * counter[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57U} * counter[2];
    counter = {
        static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(p1),
        static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(p0)};
  }
  return counter;
}

constexpr PhiloxBlock philox(std::uint64_t key, const PhiloxBlock& counter) {
  return philox(philox_keys(key), counter);
}

/// The key of one named sequence: a 64-bit FNV-1a hash of `name`, mixed with `seed`.
std::uint64_t random_key(std::uint64_t seed, std::string_view name);

/// A coordinate in a named sequence: all elements of one tensor of one sample at one step.
struct RandomCoordinate {
  std::uint64_t key = 0;     // random_key(seed, name)
  std::uint32_t step = 0;    // training step, from 1; 0 for what is drawn once
  std::uint64_t sample = 0;  // global number of the sample; 0 for parameters
};

/// What is counted: blocks of four elements.
constexpr PhiloxBlock random_counter(const RandomCoordinate& coordinate, std::uint32_t block) {
  return {block, static_cast<std::uint32_t>(coordinate.sample),
          static_cast<std::uint32_t>(coordinate.sample >> 32), coordinate.step};
}

/// The four words that belong to elements 4 * block .. 4 * block + 3.
constexpr PhiloxBlock random_block(const RandomCoordinate& coordinate, std::uint32_t block) {
  return philox(coordinate.key, random_counter(coordinate, block));
}

/// Uniform in (0, 1): the 23 high bits, centred in their cell (with 24 the sum would round, to 1 at
/// the end).
constexpr float uniform(std::uint32_t word) {
  return (static_cast<float>(word >> 9) + 0.5F) * 0x1p-23F;
}

/// The least word that dropout keeps: uniform(word) >= probability if and only if
/// word >= keep_threshold(probability). `probability` in [0, 1).
std::uint32_t keep_threshold(float probability);

/// Standard normal numbers `first` .. `first + count - 1` of the sequence at `coordinate`
/// (Box-Muller; each block gives four). Any cut of a range gives the same numbers.
void fill_normal(const RandomCoordinate& coordinate, std::uint64_t first, std::uint64_t count,
                 float deviation, float* out);

/// A permutation of 0 .. count-1 that is a function of (key, count) and is evaluated element by
/// element: a Feistel network over Philox with cycle walking. `count` in [1, 2^48].
std::uint64_t permuted(std::uint64_t key, std::uint64_t count, std::uint64_t index);

}  // namespace stagecraft
