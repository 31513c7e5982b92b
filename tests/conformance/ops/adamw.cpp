#include "kernels/ops/adamw.h"
#include "tests/conformance/ops/bfloat16.h"

namespace stagecraft::testing {
namespace {

struct State {
  Values weight;
  Values first;
  Values second;
};

State initial(std::int64_t n) {
  State state{random_values(n, 1), random_values(n, 2), random_values(n, 3)};
  for (double& v : state.second) {
    v = static_cast<float>(v * v);
  }
  return state;
}

AdamW hyperparameters(std::int64_t step) {
  AdamW args;
  args.learning_rate = 1e-2F;
  args.weight_decay = 0.1F;
  args.gradient_scale = 0.7F;
  args.step = step;
  return args;
}

State reference(const AdamW& with, const State& from, const Values& gradient) {
  State to = from;
  const double beta1 = with.beta1;
  const double beta2 = with.beta2;
  const auto t = static_cast<double>(with.step);
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    const double g = gradient[i] * with.gradient_scale;
    to.first[i] = beta1 * from.first[i] + (1 - beta1) * g;
    to.second[i] = beta2 * from.second[i] + (1 - beta2) * g * g;
    const double m = to.first[i] / (1 - std::pow(beta1, t));
    const double v = to.second[i] / (1 - std::pow(beta2, t));
    to.weight[i] -= with.learning_rate *
                    (with.weight_decay * from.weight[i] + m / (std::sqrt(v) + with.epsilon));
  }
  return to;
}

AdamW arguments(Stream& stream, const AdamW& with, const State& from, const Values& gradient) {
  AdamW args = with;
  const Shape shape = {static_cast<std::int64_t>(gradient.size())};
  args.weight = tensor_of(stream, shape, from.weight);
  args.gradient = tensor_of(stream, shape, gradient);
  args.first_moment = tensor_of(stream, shape, from.first);
  args.second_moment = tensor_of(stream, shape, from.second);
  return args;
}

}  // namespace

TEST_CASE("adamw updates weight and both moments") {
  for (const std::int64_t n : {0, 1, 3, 17, 1000, 65536, 140001}) {
    for (const std::int64_t step : {1, 2, 1000, 1000000}) {
      CAPTURE(n, step);
      const State from = initial(n);
      const Values gradient = random_values(n, 4);
      const AdamW with = hyperparameters(step);
      const State expected = reference(with, from, gradient);
      const auto update = [&](Stream& stream) {
        const AdamW args = arguments(stream, with, from, gradient);
        adamw(stream, args);
        return std::vector<Values>{values_of(stream, args.weight),
                                   values_of(stream, args.first_moment),
                                   values_of(stream, args.second_moment)};
      };
      conform(update, {expected.weight, expected.first, expected.second}, 1e-6);
    }
  }
}

TEST_CASE("adamw from zero moments takes a step of the learning rate") {
  const auto update = [](Stream& stream) {
    AdamW args = arguments(stream, {}, {{1, 1}, {0, 0}, {0, 0}}, {0.5, -2});
    args.learning_rate = 0.125F;
    adamw(stream, args);
    return std::vector<Values>{values_of(stream, args.weight)};
  };
  conform(update, {{0.875, 1.125}}, 1e-6);
}

TEST_CASE("no cut of an adamw range changes a bit") {
  const State from = initial(1001);
  const Values gradient = random_values(1001, 4);
  for (DeviceUnderTest& device : devices_under_test()) {
    Stream& stream = *device.streams.back();
    const AdamW whole = arguments(stream, hyperparameters(5), from, gradient);
    adamw(stream, whole);
    const AdamW cut = arguments(stream, hyperparameters(5), from, gradient);
    for (const auto& [begin, end] : {std::pair{0, 1}, {1, 14}, {14, 500}, {500, 1001}}) {
      AdamW part = cut;
      part.weight = cut.weight.rows(begin, end);
      part.gradient = cut.gradient.rows(begin, end);
      part.first_moment = cut.first_moment.rows(begin, end);
      part.second_moment = cut.second_moment.rows(begin, end);
      adamw(stream, part);
    }
    CHECK(same_bits({values_of(stream, cut.weight), values_of(stream, cut.second_moment)},
                    {values_of(stream, whole.weight), values_of(stream, whole.second_moment)}));
  }
}

TEST_CASE("adamw refuses what does not fit") {
  const auto with = [](auto change) {
    return [=](Stream& stream) {
      AdamW args = arguments(stream, {}, initial(4), Values(4, 1.0));
      change(stream, args);
      adamw(stream, args);
    };
  };
  refuses(with([](Stream& stream, AdamW& args) { args.gradient = poisoned(stream, {5}); }),
          "[adamw] gradient is [5]: it should be [4]");
  refuses(with([](Stream&, AdamW& args) { args.step = 0; }), "step is 0");
  refuses(with([](Stream&, AdamW& args) { args.beta2 = 1; }), "should be in [0, 1)");
  refuses(with([](Stream&, AdamW& args) { args.first_moment = args.second_moment; }),
          "first_moment shares memory with second_moment");
}

TEST_CASE("adamw leaves the new weight in bfloat16 too, and decays ranges alone") {
  for (const std::int64_t units : {1, 3, 65, 5000}) {
    const std::int64_t n = units * kDecayUnit;
    CAPTURE(n);
    const auto even_units_decay = [&](std::int64_t i) { return i / kDecayUnit % 2 == 0; };
    Values bounds(static_cast<std::size_t>((units + 1) / 2 * 2));
    for (std::size_t i = 0; i < bounds.size(); ++i) {
      bounds[i] = static_cast<double>(i);
    }
    for (DeviceUnderTest& device : devices_under_test()) {
      INFO("device " << device.name);
      Stream& stream = *device.streams.back();
      const auto state = [&](float decay) {
        AdamW args;
        args.weight = number(stream, {n}, 1);
        args.gradient = number(stream, {n}, 2);
        args.first_moment = number(stream, {n}, 3);
        args.second_moment = tensor_of(stream, {n}, Values(static_cast<std::size_t>(n), 0.5));
        args.learning_rate = 0.125F;
        args.weight_decay = decay;
        return args;
      };
      AdamW ranges = state(0.25F);
      ranges.decayed =
          tensor_of(stream, {static_cast<std::int64_t>(bounds.size())}, bounds, DType::int32);
      ranges.compute_weights = poisoned(stream, {n}, DType::bfloat16);
      const AdamW all = state(0.25F);
      const AdamW none = state(0);
      for (const AdamW& args : {ranges, all, none}) {
        adamw(stream, args);
      }
      const Values decayed = values_of(stream, all.weight);
      Values expected = values_of(stream, none.weight);
      for (std::int64_t i = 0; i < n; ++i) {
        const auto at = static_cast<std::size_t>(i);
        expected[at] = even_units_decay(i) ? decayed[at] : expected[at];
      }
      CHECK(same_bits({values_of(stream, ranges.weight)}, {expected}));
      CHECK(same_bits({values_of(stream, ranges.compute_weights)},
                      {rounded_to(DType::bfloat16, expected)}));
    }
  }
}

}  // namespace stagecraft::testing
