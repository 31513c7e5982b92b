// A rank's pieces of a parameter, there and back.
#include "models/parameters/parameter_state.h"

#include <catch2/catch.hpp>
#include <limits>

#include "kernels/backends/make_stream.h"
#include "tests/models/parameters/memory_state.h"
#include "tests/tensor_parallel/sharding/shard_runs.h"

namespace stagecraft {
namespace {

using test::MemoryState;
using test::state_value;

/// Every kind of cut: rows, padded rows, columns, columns of three groups, none; a vector as well.
std::vector<ParameterSpec> specs() {
  return {{"rows", {12, 5}, {0, 4}, {}},         {"table", {10, 3}, {0, 4, {}, 16}, {}},
          {"columns", {5, 12}, {1, 4}, {}},      {"groups", {5, 24}, {1, 4, {16, 4, 4}}, {}},
          {"bias", {24}, {0, 4, {8, 8, 8}}, {}}, {"whole", {3, 4}, {}, {}}};
}

std::vector<ParameterUse> uses() {
  std::vector<ParameterUse> all;
  for (const ParameterSpec& spec : specs()) {
    all.push_back({spec, ""});
  }
  return all;
}

/// What a rank's local tensor holds: padding is zero.
std::vector<float> expected_part(std::size_t p, StateKind kind, int rank, int ranks) {
  const ParameterSpec spec = specs()[p];
  std::vector<float> part(
      static_cast<std::size_t>(elements_of(local_shape(spec.shape, spec.shard, rank, ranks))));
  for (const test::ShardRun& run : test::shard_runs(spec.shape, spec.shard, rank, ranks)) {
    for (std::int64_t i = 0; i < run.count; ++i) {
      part.at(static_cast<std::size_t>(run.local_begin + i)) =
          state_value(kind, p, run.global_begin + i);
    }
  }
  return part;
}

TEST_CASE("pieces lie where the cut says, padding is zero, and the pieces of all ranks are all") {
  const int ranks = GENERATE(1, 2, 4);
  const auto stream = make_stream({}, {});
  const MemoryState source(specs());
  MemoryState saved;
  for (int rank = 0; rank < ranks; ++rank) {
    const ParameterStore store(*stream, {uses()}, rank, ranks);
    for (std::size_t p = 0; p < specs().size(); ++p) {
      const Parameter& parameter = store.at(specs()[p].name);
      for (const StateKind kind : kStateKinds) {
        CAPTURE(ranks, rank, parameter.spec.name, static_cast<int>(kind));
        const Tensor& tensor = state_of(parameter, kind);
        std::fill_n(tensor.data<float>(), tensor.elements(),
                    std::numeric_limits<float>::quiet_NaN());
        load_state(*stream, parameter, kind, source);
        const std::vector<float> part = expected_part(p, kind, rank, ranks);
        CHECK(std::equal(part.begin(), part.end(), tensor.data<float>()));
        if (rank == 0 || !parameter.spec.shard.replicated()) {
          save_state(*stream, parameter, parameter.boxes, kind, saved);
        }
      }
    }
  }
  CHECK((saved.wholes() == source.wholes()));
}

TEST_CASE("a piece is as few boxes for each shard as the cut allows") {
  struct Noting : StateWriter {
    void write(const StatePiece& piece, std::span<const float>) override {
      boxes.push_back(piece.box);
    }
    std::vector<Box> boxes;
  };
  const auto boxes = [](const char* name, int rank, int ranks) {
    const auto stream = make_stream({}, {});
    const ParameterStore store(*stream, {uses()}, rank, ranks);
    Noting noting;
    save_state(*stream, store.at(name), store.at(name).boxes, StateKind::weight, noting);
    return noting.boxes;
  };
  CHECK(boxes("groups", 1, 4) ==
        std::vector<Box>{{{0, 4}, {5, 8}}, {{0, 17}, {5, 18}}, {{0, 21}, {5, 22}}});
  CHECK(boxes("groups", 1, 2).size() == 6);  // two shards
  CHECK(boxes("columns", 0, 1).size() == 4);
  CHECK(boxes("whole", 0, 1) == std::vector<Box>{{{0, 0}, {3, 4}}});
  CHECK(boxes("table", 2, 4) == std::vector<Box>{{{8, 0}, {10, 3}}});
  CHECK(boxes("table", 3, 4).empty());  // padding alone
}

}  // namespace
}  // namespace stagecraft
