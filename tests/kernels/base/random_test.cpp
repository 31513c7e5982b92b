#include "kernels/base/random.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <set>
#include <vector>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

constexpr std::uint64_t kAllOnes = ~std::uint64_t{0};

std::vector<float> normals(std::uint64_t first, std::uint64_t count, float deviation = 1) {
  std::vector<float> out(count);
  fill_normal({.key = random_key(1, "normals"), .step = 2, .sample = 3}, first, count, deviation,
              out.data());
  return out;
}

}  // namespace

// The known answers of the authors' own test vectors (Random123, kat_vectors, philox4x32 7).
TEST_CASE("philox gives the published words") {
  CHECK(philox(0, {0, 0, 0, 0}) == PhiloxBlock{0x5f6fb709U, 0x0d893f64U, 0x4f121f81U, 0x4f730a48U});
  CHECK(philox(kAllOnes, {0xffffffffU, 0xffffffffU, 0xffffffffU, 0xffffffffU}) ==
        PhiloxBlock{0x5207ddc2U, 0x45165e59U, 0x4d8ee751U, 0x8c52f662U});
  CHECK(philox(0x299f31d0a4093822ULL, {0x243f6a88U, 0x85a308d3U, 0x13198a2eU, 0x03707344U}) ==
        PhiloxBlock{0x4dfccabaU, 0x190a87f0U, 0xc47362baU, 0xb6b5242aU});
}

TEST_CASE("every coordinate of a place counts") {
  const RandomCoordinate coordinate = {.key = random_key(1, "a"), .step = 1, .sample = 1};
  const std::uint64_t far_sample = 1 + (std::uint64_t{1} << 32);
  const std::set<PhiloxBlock> blocks = {
      random_block(coordinate, 0),
      random_block(coordinate, 1),
      random_block({.key = coordinate.key, .step = 2, .sample = 1}, 0),
      random_block({.key = coordinate.key, .step = 1, .sample = 2}, 0),
      random_block({.key = coordinate.key, .step = 1, .sample = far_sample}, 0),
      random_block({.key = random_key(1, "b"), .step = 1, .sample = 1}, 0),
      random_block({.key = random_key(2, "a"), .step = 1, .sample = 1}, 0)};
  CHECK(blocks.size() == 7);
}

TEST_CASE("uniform lies strictly within 0 and 1") {
  CHECK(uniform(0) == 0x1p-24F);
  CHECK(uniform(0x80000000U) >= 0.5F);
  CHECK(uniform(0x1ffU) == uniform(0));  // the low nine bits do not count
  CHECK(uniform(0x200U) == 3 * uniform(0));
  CHECK(uniform(0x7fffffffU) < 0.5F);
  CHECK(uniform(0xffffffffU) == 1.0F - 0x1p-24F);
}

TEST_CASE("fill_normal gives the same numbers for any cut") {
  const std::vector<float> whole = normals(0, 103);
  for (const std::uint64_t cut : {1, 2, 3, 4, 5, 50, 101}) {
    std::vector<float> joined = normals(0, cut);
    const std::vector<float> rest = normals(cut, 103 - cut);
    joined.insert(joined.end(), rest.begin(), rest.end());
    CHECK(joined == whole);
  }
  CHECK(normals(7, 0).empty());
}

TEST_CASE("fill_normal has the moments of a normal distribution") {
  constexpr std::uint64_t kCount = 1000000;
  const std::vector<float> x = normals(0, kCount, 2.0F);
  std::vector<double> moments(5);
  for (const float value : x) {
    for (int power = 1; power <= 4; ++power) {
      moments[power] += std::pow(value / 2.0, power) / kCount;
    }
  }
  // Five standard errors of each moment: sqrt(1, 2, 15, 96) / 1000.
  CHECK(std::abs(moments[1]) < 5e-3);
  CHECK(std::abs(moments[2] - 1) < 7.1e-3);
  CHECK(std::abs(moments[3]) < 19.4e-3);
  CHECK(std::abs(moments[4] - 3) < 49e-3);
}

TEST_CASE("permuted is a permutation") {
  for (const std::uint64_t count : {1, 2, 3, 4, 5, 16, 17, 100, 1000, 4097}) {
    CAPTURE(count);
    std::vector<bool> seen(count);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t image = permuted(9, count, i);
      REQUIRE(image < count);
      CHECK(!seen[image]);
      seen[image] = true;
    }
  }
}

TEST_CASE("permuted mixes, and depends on its key") {
  constexpr std::uint64_t kCount = 1000;
  int fixed = 0;
  int equal = 0;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    fixed += permuted(9, kCount, i) == i ? 1 : 0;
    equal += permuted(9, kCount, i) == permuted(10, kCount, i) ? 1 : 0;
  }
  CHECK(fixed < 10);  // one is expected
  CHECK(equal < 10);
}

TEST_CASE("permuted takes 2^48 elements and refuses what is outside") {
  constexpr std::uint64_t kMax = std::uint64_t{1} << 48;
  CHECK(permuted(1, kMax, kMax - 1) < kMax);
  CHECK_THROWS_WITH(permuted(1, 5, 5), "[permuted] index 5 is outside of 0 .. 5 - 1");
  CHECK_THROWS_AS(permuted(1, 0, 0), Error);
  CHECK_THROWS_AS(permuted(1, kMax + 1, 0), Error);
}

}  // namespace stagecraft
