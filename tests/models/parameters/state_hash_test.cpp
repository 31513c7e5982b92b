// The hash of state, on the host.
#include "models/parameters/state_hash.h"

#include <bit>
#include <catch2/catch.hpp>
#include <random>
#include <vector>

#include "kernels/backends/make_stream.h"
#include "kernels/base/element_hash.h"
#include "kernels/ops/host_copy.h"
#include "models/parameters/saved_boxes.h"
#include "tests/models/parameters/memory_state.h"

namespace stagecraft {
namespace {

ParameterSpec named(const std::string& name, const Shape& shape, const ShardSpec& shard = {}) {
  return {name, shape, shard, {}};
}

std::vector<float> random_values(std::int64_t count) {
  std::mt19937 random(7);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) {
    value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
  }
  return values;
}

std::uint64_t whole_hash(const ParameterSpec& spec, const std::vector<float>& values) {
  return state_hash_of({spec, StateKind::weight, whole_box(spec.shape)}, values);
}

std::vector<float> part_of(const std::vector<float>& whole, const Box& box, const Shape& shape) {
  std::vector<float> part;
  for (const ElementRun& run : runs_of(box, shape)) {
    const auto begin = whole.begin() + run.begin;
    part.insert(part.end(), begin, begin + run.count);
  }
  return part;
}

TEST_CASE("keys and hashes are known numbers") {
  // Of a program in Python (integers without bounds, the package xxhash).
  CHECK(state_key("h.0.attn.c_attn.weight", StateKind::weight) == 0x814fcb9d0244f64e);
  CHECK(state_key("h.0.attn.c_attn.weight", StateKind::second_moment) == 0xf89fda6df771be94);
  const ParameterSpec spec = named("t", {2, 3});
  CHECK(state_hash_of({spec, StateKind::first_moment, whole_box(spec.shape)},
                      std::vector<float>{0, 1, -2.5, 0, 3e-20F, 7}) == 0xd18bf4a6a34d76f6);
}

TEST_CASE("an element's number depends on all 64 bits of its index") {
  constexpr std::uint64_t kKey = 0x0123456789abcdef;
  const auto bits = std::bit_cast<std::uint32_t>(1.5F);
  CHECK(element_hash(kKey, 0, bits) == 0x592e6a5522b5d838);
  CHECK(element_hash(kKey, 5, bits) == 0x812b696203f59ad9);
  CHECK(element_hash(kKey, 0xFFFFFFFF, bits) == 0x74474972241e9001);
  CHECK(element_hash(kKey, std::uint64_t{1} << 32, bits) == 0x28da3458d496fe9d);
  CHECK(element_hash(kKey, (std::uint64_t{1} << 40) + 3, bits) == 0x33c4bb0f705a1c92);
}

TEST_CASE("one flipped bit of any element changes the hash, two exchanged elements too") {
  const ParameterSpec spec = named("t", {7, 19});
  std::vector<float> values = random_values(7 * 19);
  values[3] = 0;
  values[4] = 0;
  const std::uint64_t hash = whole_hash(spec, values);
  for (float& value : values) {
    for (int bit = 0; bit < 32; ++bit) {
      const float kept = value;
      value = std::bit_cast<float>(std::bit_cast<std::uint32_t>(kept) ^ (1U << bit));
      CHECK(whole_hash(spec, values) != hash);
      value = kept;
    }
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (std::bit_cast<std::uint32_t>(values[i]) != std::bit_cast<std::uint32_t>(values[j])) {
        std::swap(values[i], values[j]);
        CHECK(whole_hash(spec, values) != hash);
        std::swap(values[i], values[j]);
      }
    }
  }
}

TEST_CASE("the hash depends on name, kind and size, of zeros too") {
  const std::vector<float> zeros(6, 0.0F);
  const ParameterSpec spec = named("t", {2, 3});
  const std::uint64_t hash = whole_hash(spec, zeros);
  CHECK(hash != 0);
  CHECK(whole_hash(named("u", {2, 3}), zeros) != hash);
  CHECK(whole_hash(named("t", {7}), std::vector<float>(7, 0.0F)) != hash);
  CHECK(whole_hash(spec, std::vector<float>(6, -0.0F)) != hash);
  CHECK(state_hash_of({spec, StateKind::first_moment, whole_box(spec.shape)}, zeros) != hash);
}

TEST_CASE("the parts of every split add up to the hash of the whole") {
  const std::vector<ParameterSpec> specs = {
      named("rows", {12, 5}, {0, 4}), named("table", {1030, 70}, {0, 4, {}, 1040}),
      named("columns", {300, 840}, {1, 4}), named("groups", {300, 960}, {1, 4, {320, 320, 320}}),
      named("vector", {960}, {0, 4, {640, 160, 160}})};
  for (const ParameterSpec& spec : specs) {
    const std::vector<float> values = random_values(elements_of(spec.shape));
    for (const int tensor_ranks : {1, 2, 4}) {
      for (const int data_ranks : {1, 2, 3}) {
        CAPTURE(spec.name, tensor_ranks, data_ranks);
        std::uint64_t sum = 0;
        for (int tensor = 0; tensor < tensor_ranks; ++tensor) {
          const auto boxes = shard_boxes(spec.shape, spec.shard, tensor, tensor_ranks);
          for (int data = 0; data < data_ranks; ++data) {
            for (const ShardBox& box : saved_boxes(boxes, 1, data, data_ranks)) {
              sum += state_hash_of({spec, StateKind::weight, box.global},
                                   part_of(values, box.global, spec.shape));
            }
          }
        }
        CHECK(sum == whole_hash(spec, values));
      }
    }
  }
}

/// The hashes that the operation gives of a rank's saved boxes of a parameter, by kind.
std::vector<std::uint64_t> device_hashes(Stream& stream, const Parameter& parameter,
                                         const std::vector<ShardBox>& boxes) {
  TensorHashes call;
  std::vector<std::uint64_t> hashes(std::size(kStateKinds));
  call.out = Tensor(stream.memory(), {static_cast<std::int64_t>(hashes.size()), 2}, DType::int32,
                    MemoryLabel::workspace);
  for (const StateKind kind : kStateKinds) {
    for (const ShardBox& box : boxes) {
      add_hashed_box(call, parameter, kind, box, static_cast<std::int64_t>(kind));
    }
  }
  tensor_hashes(stream, call);
  copy_to_host(stream, {call.out, std::as_writable_bytes(std::span(hashes))});
  return hashes;
}

TEST_CASE("what a device hashes of a rank's part is what the host does") {
  const std::vector<ParameterSpec> specs = {named("rows", {12, 5}, {0, 4}),
                                            named("table", {1030, 70}, {0, 4, {}, 1040}),
                                            named("groups", {300, 960}, {1, 4, {320, 320, 320}}),
                                            named("vector", {960}, {0, 4, {640, 160, 160}}),
                                            named("cube", {5, 12, 8}, {1, 4}),
                                            named("end", {3, 4, 5, 8}, {3, 4}),
                                            named("four", {2, 3, 4, 5}),
                                            named("one", {1})};
  std::vector<ParameterUse> uses;
  for (const ParameterSpec& spec : specs) {
    uses.push_back({spec, ""});
  }
  const test::MemoryState source(specs);
  const auto stream = make_stream({}, {});
  for (const int tensor_ranks : {1, 2, 4}) {
    for (int rank = 0; rank < tensor_ranks; ++rank) {
      const ParameterStore store(*stream, {uses}, rank, tensor_ranks);
      for (const Parameter& parameter : store.parameters()) {
        const std::vector<ShardBox> boxes = saved_boxes(parameter.boxes, 0, 0, 2);
        std::vector<std::uint64_t> expected;
        for (const StateKind kind : kStateKinds) {
          load_state(*stream, parameter, kind, source);
          expected.push_back(0);
          const std::vector<float>& whole = source.wholes().at({kind, parameter.spec.name}).values;
          for (const ShardBox& box : boxes) {
            expected.back() += state_hash_of({parameter.spec, kind, box.global},
                                             part_of(whole, box.global, parameter.spec.shape));
          }
        }
        CAPTURE(tensor_ranks, rank, parameter.spec.name);
        CHECK(device_hashes(*stream, parameter, boxes) == expected);
      }
    }
  }
}

TEST_CASE("values that are not the piece's are refused") {
  const ParameterSpec spec = named("t", {2, 3});
  CHECK_THROWS_AS(whole_hash(spec, {1, 2}), Error);
}

}  // namespace
}  // namespace stagecraft
