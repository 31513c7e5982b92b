#include "models/optim/owned_update.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "kernels/backends/make_stream.h"
#include "kernels/base/bfloat16.h"
#include "kernels/base/error.h"
#include "kernels/base/random.h"

namespace stagecraft {
namespace {

ParameterUse use(const std::string& name, const Shape& shape) {
  return {{.name = name, .shape = shape, .shard = {}, .initial = {}}, ""};
}

/// With and without weight decay, one of them longer than a vector register.
ParameterStore store_on(Stream& stream, DType compute) {
  return {stream,
          {{use("matrix", {8, 10}), use("bias", {19}), use("table", {33, 3}), use("norm", {5})}},
          0,
          1,
          compute};
}

void fill(const Tensor& x, std::string_view name) {
  const auto count = static_cast<std::size_t>(x.elements());
  fill_normal({.key = random_key(1, name)}, 0, count, 1.0F, x.data<float>());
}

/// All arenas but the gradients, as numbers.
using State = std::vector<std::vector<float>>;

/// The state after two steps over these ranges.
template <typename Ranges>
State updated(DType compute, const Ranges& ranges) {
  const auto stream = make_stream({}, {});
  const ParameterStore store = store_on(*stream, compute);
  const ParameterArenas& arenas = store.arenas();
  fill(arenas.weights, "weights");
  fill(arenas.gradients, "gradients");
  const OwnedUpdate update(*stream, ranges(store));
  for (const std::int64_t step : {1, 2}) {
    AdamW values;
    values.learning_rate = 0.01F;
    values.weight_decay = 0.1F;
    values.gradient_scale = 0.5F;
    values.step = step;
    update.apply(*stream, arenas, values);
  }
  State state;
  for (const Tensor* x : {&arenas.weights, &arenas.first_moments, &arenas.second_moments}) {
    const auto* values = x->data<float>();
    state.emplace_back(values, values + x->elements());
  }
  if (compute == DType::bfloat16) {
    state.emplace_back();
    for (std::int64_t i = 0; i < arenas.compute_weights.elements(); ++i) {
      state.back().push_back(to_float(arenas.compute_weights.data<BFloat16>()[i]));
    }
  }
  return state;
}

std::vector<OwnedRange> all(const ParameterStore& store) {
  std::vector<OwnedRange> ranges;
  for (const Parameter& parameter : store.parameters()) {
    ranges.push_back(whole_of(parameter));
  }
  return ranges;
}

/// Every parameter in two ranges, where it is long enough.
std::vector<OwnedRange> halves(const ParameterStore& store) {
  std::vector<OwnedRange> ranges;
  for (const OwnedRange& whole : all(store)) {
    const std::int64_t middle = std::min(std::int64_t{32}, whole.range.end / 16 * 16);
    ranges.push_back({whole.parameter, {0, middle}});
    ranges.push_back({whole.parameter, {middle, whole.range.end}});
  }
  return ranges;
}

TEST_CASE("an arena updated in two ranges has the bits of one update") {
  const DType compute = GENERATE(DType::float32, DType::bfloat16);
  const State whole = updated(compute, all);
  CHECK(updated(compute, halves) == whole);
  // As two ranks would do it, one after the other.
  const State first = updated(compute, [](const ParameterStore& store) {
    return std::vector<OwnedRange>{{&store.at("table"), {0, 48}}, whole_of(store.at("matrix"))};
  });
  const State second = updated(compute, [](const ParameterStore& store) {
    return std::vector<OwnedRange>{
        whole_of(store.at("norm")), {&store.at("table"), {48, 99}}, whole_of(store.at("bias"))};
  });
  const auto stream = make_stream({}, {});
  const ParameterStore store = store_on(*stream, compute);
  const ElementRange table = store.at("table").place;
  const ElementRange matrix = store.at("matrix").place;
  for (std::size_t arena = 0; arena < whole.size(); ++arena) {
    for (std::size_t i = 0; i < whole[arena].size(); ++i) {
      const auto at = static_cast<std::int64_t>(i);
      const bool in_first =
          (at >= table.begin && at < table.begin + 48) || (at >= matrix.begin && at < matrix.end);
      CHECK((in_first ? first : second)[arena][i] == whole[arena][i]);
    }
  }
}

TEST_CASE("what a rank does not own stays, and a range without weight decay decays nothing") {
  const State before =
      updated(DType::float32, [](const ParameterStore&) { return std::vector<OwnedRange>{}; });
  const State after = updated(DType::float32, [](const ParameterStore& store) {
    return std::vector<OwnedRange>{whole_of(store.at("bias"))};
  });
  const State whole = updated(DType::float32, all);
  const auto stream = make_stream({}, {});
  const ElementRange bias = store_on(*stream, DType::float32).at("bias").place;
  for (std::size_t i = 0; i < before[0].size(); ++i) {
    const auto at = static_cast<std::int64_t>(i);
    const bool owned = at >= bias.begin && at < bias.end;
    // The padding behind the bias has a drawn gradient here.
    if (owned || at < bias.begin || at >= bias.begin + 32) {
      CHECK(after[0][i] == (owned ? whole : before)[0][i]);
    }
  }
}

TEST_CASE("ranges that begin within a unit, overlap or leave their parameter are errors") {
  const auto stream = make_stream({}, {});
  const ParameterStore store = store_on(*stream, DType::float32);
  const auto fails = [&](const std::vector<OwnedRange>& ranges) {
    CHECK_THROWS_AS(OwnedUpdate(*stream, ranges), Error);
  };
  const Parameter& table = store.at("table");
  fails({{&table, {8, 99}}});
  fails({{&table, {0, 40}}});
  fails({{&table, {0, 100}}});
  fails({{&table, {0, 48}}, {&table, {32, 99}}});
  fails({whole_of(store.at("matrix")), whole_of(store.at("bias"))});  // not the arenas' order
  CHECK_NOTHROW(OwnedUpdate(*stream, {{&table, {0, 48}}, {&table, {48, 99}}}));
}

}  // namespace
}  // namespace stagecraft
