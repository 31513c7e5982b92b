#include <algorithm>
#include <catch2/catch.hpp>

#include "kernels/backends/make_stream.h"
#include "kernels/base/error.h"
#include "kernels/ops/adamw.h"
#include "models/parameters/parameter.h"

namespace stagecraft {
namespace {

ParameterUse use(const std::string& name, const Shape& shape, const GradientAxes& axes = {},
                 const std::string& tied = "") {
  return {{.name = name, .shape = shape, .shard = {}, .initial = {}, .summed_over = axes}, tied};
}

/// Two chunks. The table is used in both; "part" is summed over both axes.
std::vector<std::vector<ParameterUse>> chunks() {
  return {{use("table", {5, 3}, {}, "embedding"), use("a.weight", {4, 8}), use("a.bias", {3})},
          {use("part", {7}, {.tensor = true}), use("b.weight", {40}),
           use("table", {5, 3}, {}, "head")}};
}

std::vector<std::string> names(const ParameterStore& store) {
  std::vector<std::string> all;
  for (const Parameter& parameter : store.parameters()) {
    all.push_back(parameter.spec.name);
  }
  return all;
}

TEST_CASE("a chunk's parameters follow each other, the last chunk first, tied ones last") {
  const auto stream = make_stream({}, {});
  const ParameterStore store(*stream, chunks(), 0, 1);
  CHECK(names(store) ==
        std::vector<std::string>{"b.weight", "part", "a.bias", "a.weight", "table"});
  const auto& last = store.sums_of_chunk(1);
  REQUIRE(last.size() == 2);
  CHECK(last[0].range == ElementRange{0, 48});  // 40 elements, in units of 16
  CHECK(last[0].axes == GradientAxes{});
  CHECK(last[1].range == ElementRange{48, 64});
  CHECK(last[1].axes == GradientAxes{.tensor = true});
  REQUIRE(store.sums_of_chunk(0).size() == 1);
  CHECK(store.sums_of_chunk(0)[0].range == ElementRange{64, 112});
  REQUIRE(store.tied_sums().size() == 1);
  CHECK(store.tied_sums()[0].range == ElementRange{112, 128});
  CHECK(store.arenas().weights.elements() == 128);
}

TEST_CASE("tensors of a parameter lie at its place, and a further use has a gradient of its own") {
  const auto stream = make_stream({}, {});
  const ParameterStore store(*stream, chunks(), 0, 1);
  float value = 0;
  for (const Parameter& parameter : store.parameters()) {
    CHECK(parameter.place.begin % kDecayUnit == 0);
    CHECK(parameter.place.end - parameter.place.begin == parameter.weight.elements());
    *parameter.weight.data<float>() = ++value;
    *store.gradients().at(parameter.first_use).data<float>() = -value;
    CHECK(store.arenas().weights.data<float>()[parameter.place.begin] == value);
    CHECK(store.arenas().gradients.data<float>()[parameter.place.begin] == -value);
  }
  CHECK(store.at("table").uses == std::vector<std::string>{"embedding", "head"});
  CHECK(store.gradients().at(store.use("table", "embedding")).data<float>() ==
        store.arenas().gradients.data<float>() + 112);
  CHECK(store.gradients().at(store.use("table", "head")).shape() == Shape{5, 3});
  CHECK(store.gradients().at(store.at("table").first_use, 2).size() == 2);
  CHECK_THROWS_AS(store.use("table", "middle"), Error);
  CHECK_THROWS_AS(store.at("c"), Error);
}

TEST_CASE("a further set of gradients has the layout of the store's and memory of its own, zero") {
  const auto stream = make_stream({}, {});
  const ParameterStore store(*stream, chunks(), 0, 1);
  const GradientSet further = store.make_gradients(*stream);
  CHECK(further.arena().elements() == store.gradients().arena().elements());
  for (const Parameter& parameter : store.parameters()) {
    for (const std::string& name : parameter.uses) {
      const UseIndex use = store.use(parameter.spec.name, name);
      const Tensor& gradient = further.at(use);
      CHECK(gradient.shape() == store.gradients().at(use).shape());
      CHECK(gradient.raw() != store.gradients().at(use).raw());
      CHECK(std::all_of(gradient.data<float>(), gradient.data<float>() + gradient.elements(),
                        [](float value) { return value == 0; }));
    }
    CHECK(further.at(parameter.first_use).data<float>() ==
          further.arena().data<float>() + parameter.place.begin);
  }
}

TEST_CASE("a stage with one end of a tied parameter, or with none, has a part for it or none") {
  const auto stream = make_stream({}, {});
  const ParameterStore head(*stream, {chunks()[1]}, 0, 1);
  CHECK(head.at("table").uses == std::vector<std::string>{"head"});
  CHECK(head.tied_sums().size() == 1);
  const ParameterStore middle(*stream, {{use("a", {3})}}, 0, 1);
  CHECK(middle.tied_sums().empty());
  CHECK(middle.sums_of_chunk(0).size() == 1);
}

TEST_CASE("making the memory of a large stage is progress again and again") {
  const auto stream = make_stream({}, {});
  const auto calls_for = [&](std::int64_t elements, DType compute) {
    int calls = 0;
    const ParameterStore store(*stream, {{use("p", {elements})}}, 0, 1, compute, [&] { ++calls; });
    return calls;
  };
  // Weights, gradients, two moments; and the compute weights.
  const int of_small = calls_for(100, DType::float32);
  CHECK(of_small == 4);
  CHECK(calls_for(100, DType::bfloat16) == 5);
  CHECK(calls_for(9'000'000, DType::float32) == 2 * of_small);
}

}  // namespace
}  // namespace stagecraft
