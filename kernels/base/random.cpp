#include "kernels/base/random.h"

#include <bit>
#include <cmath>
#include <numbers>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

std::array<float, 4> normals_of(const PhiloxBlock& words) {
  std::array<float, 4> out{};
  for (int pair = 0; pair < 4; pair += 2) {
    const float radius = std::sqrt(-2.0F * std::log(uniform(words[pair])));
    const float angle = 2.0F * std::numbers::pi_v<float> * uniform(words[pair + 1]);
    out[pair] = radius * std::cos(angle);
    out[pair + 1] = radius * std::sin(angle);
  }
  return out;
}

}  // namespace

std::uint64_t random_key(std::uint64_t seed, std::string_view name) {
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  }
  const PhiloxBlock mixed = philox(
      hash, {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32), 0, 0});
  return (std::uint64_t{mixed[1]} << 32) | mixed[0];
}

std::uint32_t keep_threshold(float probability) {
  std::uint32_t least = 0;  // uniform() is monotone in the 24 high bits: bisection
  std::uint32_t kept = (1U << 24) - 1;
  while (least < kept) {
    const std::uint32_t middle = (least + kept) / 2;
    if (uniform(middle << 8) >= probability) {
      kept = middle;
    } else {
      least = middle + 1;
    }
  }
  return kept << 8;
}

void fill_normal(const RandomCoordinate& coordinate, std::uint64_t first, std::uint64_t count,
                 float deviation, float* out) {
  require((first + count) / 4 <= 0xFFFFFFFFULL, "fill_normal",
          "element {} is beyond the 2^34 elements of one tensor", first + count);
  for (std::uint64_t i = 0; i < count;) {
    const std::uint64_t element = first + i;
    const auto values =
        normals_of(random_block(coordinate, static_cast<std::uint32_t>(element / 4)));
    for (std::uint64_t lane = element % 4; lane < 4 && i < count; ++lane, ++i) {
      out[i] = deviation * values[lane];
    }
  }
}

std::uint64_t permuted(std::uint64_t key, std::uint64_t count, std::uint64_t index) {
  require(count >= 1 && count <= (1ULL << 48) && index < count, "permuted",
          "index {} is outside of 0 .. {} - 1", index, count);
  const int half_bits = std::max(1, (static_cast<int>(std::bit_width(count - 1)) + 1) / 2);
  const std::uint64_t mask = (1ULL << half_bits) - 1;
  do {
    std::uint64_t left = index >> half_bits;
    std::uint64_t right = index & mask;
    for (std::uint32_t round = 0; round < 6; ++round) {
      const PhiloxBlock mixed = philox(key, {static_cast<std::uint32_t>(right), 0, round, 1});
      const std::uint64_t next = left ^ (mixed[0] & mask);
      left = right;
      right = next;
    }
    index = (left << half_bits) | right;
  } while (index >= count);
  return index;
}

}  // namespace stagecraft
