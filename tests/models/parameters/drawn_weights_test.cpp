// Starting weights: the same bits whatever the cut and however many threads draw them.
#include <bit>
#include <catch2/catch.hpp>
#include <span>
#include <vector>

#include "kernels/backends/make_stream.h"
#include "kernels/ops/host_copy.h"
#include "models/parameters/drawn_weights.h"

namespace stagecraft {
namespace {

/// Larger than one range of the drawing (2^16 elements), and no multiple of it or of a Philox
/// block.
std::vector<ParameterUse> uses(int shards) {
  const Initializer normal{Initializer::Kind::normal, 0.02F};
  return {{{"table", {1003, 130}, {0, shards, {}, 1024}, normal}, ""},
          {{"columns", {130, 1002}, {1, shards, {334, 334, 334}}, normal}, ""},
          {{"rows", {1002, 131}, {0, shards}, normal}, ""},
          {{"whole", {257, 515}, {}, normal}, ""},
          {{"ones", {515}, {}, {Initializer::Kind::ones}}, ""},
          {{"zeros", {1002}, {0, shards, {334, 334, 334}}, {Initializer::Kind::zeros}}, ""}};
}

std::vector<std::vector<float>> drawn(int rank, int ranks, int threads) {
  const auto stream = make_stream({DeviceKind::cpu, 0}, {});
  const ParameterStore store(*stream, {uses(ranks)}, rank, ranks);
  std::vector<std::vector<float>> all;
  for (const Parameter& parameter : store.parameters()) {
    load_state(*stream, parameter, StateKind::weight, DrawnWeights(7, threads));
    all.emplace_back(static_cast<std::size_t>(parameter.weight.elements()));
    copy_to_host(*stream, parameter.weight, std::span<float>(all.back()));
  }
  return all;
}

/// FNV-1a of the numbers' bits.
std::uint64_t hash_of(const std::vector<std::vector<float>>& all) {
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  for (const std::vector<float>& values : all) {
    for (const float value : values) {
      hash = (hash ^ std::bit_cast<std::uint32_t>(value)) * 0x100000001B3ULL;
    }
  }
  return hash;
}

/// Of the loop that drew everything on one thread, run by run.
struct KnownAnswer {
  int rank, ranks;
  std::uint64_t hash;
};
constexpr KnownAnswer kKnown[] = {
    {0, 1, 0x29a94119a7b46e5f}, {0, 2, 0xe16ab81cb64a7c3f}, {1, 2, 0xc5a5f7a1df7235fa}};

}  // namespace

TEST_CASE("starting weights are the same bits, however many threads draw them") {
  for (const KnownAnswer& known : kKnown) {
    for (const int threads : {1, 2, 3}) {
      CAPTURE(known.rank, known.ranks, threads);
      CHECK(hash_of(drawn(known.rank, known.ranks, threads)) == known.hash);
    }
  }
}

}  // namespace stagecraft
