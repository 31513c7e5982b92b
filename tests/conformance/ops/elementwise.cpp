#include "kernels/ops/elementwise.h"

#include "tests/conformance/ops/activation_reference.h"
#include "tests/conformance/ops/reference.h"

namespace stagecraft::testing {
namespace {

Values mapped(const Values& x, Activation kind) {
  Values y(x.size());
  std::transform(x.begin(), x.end(), y.begin(), [=](double at) { return activated(kind, at); });
  return y;
}

/// Normal numbers, and the far ends, where exp could overflow.
Values far_inputs(std::int64_t count) {
  Values x = random_values(count, 1);
  const Values ends = {-40, 40, -1e4, 1e4, -7, 7, 0};
  std::copy_n(ends.begin(), std::min(x.size(), ends.size()) / 2, x.begin());
  return x;
}

constexpr std::int64_t kSizes[] = {0, 1, 3, 17, 100, 16384, 40001};

}  // namespace

TEST_CASE("activation_forward") {
  for (const Activation kind : kActivations) {
    for (const std::int64_t size : kSizes) {
      CAPTURE(kind, size);
      const Values x = random_values(size, 1);
      const auto forward = [&](Stream& stream) {
        const Tensor y = poisoned(stream, {size});
        activation_forward(stream, {.x = tensor_of(stream, {size}, x), .y = y, .kind = kind});
        return std::vector<Values>{values_of(stream, y)};
      };
      conform(forward, {mapped(x, kind)}, 3e-7);
    }
  }
}

TEST_CASE("activations stay finite far out") {
  const Values x = far_inputs(14);
  for (const Activation kind : kActivations) {
    CAPTURE(kind);
    const auto both = [&](Stream& stream) {
      const Tensor y = poisoned(stream, {14});
      const Tensor dx = poisoned(stream, {14});
      const Tensor input = tensor_of(stream, {14}, x);
      activation_forward(stream, {.x = input, .y = y, .kind = kind});
      activation_backward(
          stream,
          {.dy = tensor_of(stream, {14}, Values(14, 1.0)), .x = input, .dx = dx, .kind = kind});
      return std::vector<Values>{values_of(stream, y), values_of(stream, dx)};
    };
    const Values slopes = numeric_gradient(
        [&](const Values& at) { return dot(mapped(at, kind), Values(14, 1.0)); }, x);
    conform(both, {mapped(x, kind), slopes}, 1e-6);
  }
}

TEST_CASE("activations and their slopes at the ends of float32 are those of a ramp") {
  for (const Activation kind : kActivations) {
    for (const double x : {-1e30, -1e20, -1e4, -100.0, 100.0, 1e4, 1e20, 1e30}) {
      CAPTURE(kind, x);
      const auto both = [=](Stream& stream) {
        const Tensor at = tensor_of(stream, {5}, Values(5, x));
        const Tensor y = poisoned(stream, {5});
        const Tensor dx = poisoned(stream, {5});
        const Tensor dy = tensor_of(stream, {5}, Values(5, 3.0));
        activation_forward(stream, {.x = at, .y = y, .kind = kind});
        activation_backward(stream, {.dy = dy, .x = at, .dx = dx, .kind = kind});
        return std::vector<Values>{values_of(stream, y), values_of(stream, dx)};
      };
      conform(both, {Values(5, x > 0 ? static_cast<float>(x) : 0), Values(5, x > 0 ? 3 : 0)}, 0);
    }
  }
}

TEST_CASE("relu is 0 at 0, and so is its slope") {
  const auto both = [](Stream& stream) {
    const Tensor at = tensor_of(stream, {5}, Values(5, 0.0));
    const Tensor y = poisoned(stream, {5});
    const Tensor dx = poisoned(stream, {5});
    activation_forward(stream, {.x = at, .y = y, .kind = Activation::relu});
    activation_backward(stream, {.dy = tensor_of(stream, {5}, Values(5, 3.0)),
                                 .x = at,
                                 .dx = dx,
                                 .kind = Activation::relu});
    return std::vector<Values>{values_of(stream, y), values_of(stream, dx)};
  };
  conform(both, {Values(5, 0.0), Values(5, 0.0)}, 0);
}

TEST_CASE("activations keep a NaN") {
  for (DeviceUnderTest& device : devices_under_test()) {
    Stream& stream = *device.streams.front();
    for (const Activation kind : kActivations) {
      CAPTURE(device.name, kind);
      const Tensor y = tensor_of(stream, {3}, Values(3, 0.0));
      activation_forward(stream, {.x = poisoned(stream, {3}), .y = y, .kind = kind});
      const Values values = values_of(stream, y);
      CHECK(std::all_of(values.begin(), values.end(), [](double at) { return std::isnan(at); }));
    }
  }
}

TEST_CASE("activation_backward against finite differences, also in place") {
  for (const Activation kind : kActivations) {
    for (const std::int64_t size : {1, 3, 17, 100, 333}) {
      for (const bool in_place : {false, true}) {
        CAPTURE(kind, size, in_place);
        const Values x = random_values(size, 1);
        const Values dy = random_values(size, 2);
        const auto backward = [&](Stream& stream) {
          const Tensor gradient = tensor_of(stream, {size}, dy);
          const Tensor dx = in_place ? gradient : poisoned(stream, {size});
          activation_backward(
              stream, {.dy = gradient, .x = tensor_of(stream, {size}, x), .dx = dx, .kind = kind});
          return std::vector<Values>{values_of(stream, dx)};
        };
        const auto loss = [&](const Values& at) { return dot(mapped(at, kind), dy); };
        conform(backward, {numeric_gradient(loss, x)}, 1e-6);
      }
    }
  }
}

TEST_CASE("bias_gradient sums rows") {
  for (const auto& [rows, n] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {0, 5}, {1, 1}, {3, 7}, {64, 16}, {65, 300}, {1000, 33}, {257, 2304}}) {
    for (const bool accumulate : {false, true}) {
      CAPTURE(rows, n, accumulate);
      const Values dy = random_values(rows * n, 1);
      const Values before = random_values(n, 2);
      Values expected = accumulate ? before : Values(before.size(), 0.0);
      for (std::size_t i = 0; i < dy.size(); ++i) {
        expected[i % expected.size()] += dy[i];
      }
      const auto backward = [&](Stream& stream) {
        const Tensor dbias = accumulate ? tensor_of(stream, {n}, before) : poisoned(stream, {n});
        bias_gradient(
            stream,
            {.dy = tensor_of(stream, {rows, n}, dy), .dbias = dbias, .accumulate = accumulate});
        return std::vector<Values>{values_of(stream, dbias)};
      };
      conform(backward, {expected}, 2e-6);
    }
  }
}

TEST_CASE("add and maximum, apart and in place") {
  for (const std::int64_t size : kSizes) {
    for (const int target : {0, 1, 2}) {  // c is a tensor of its own, a, b
      CAPTURE(size, target);
      const Values a = random_values(size, 1);
      const Values b = random_values(size, 2);
      const auto pairwise = [&](DType dtype, auto&& operation) {
        return [&, dtype](Stream& stream) {
          const Tensor ta = tensor_of(stream, {size}, a, dtype);
          const Tensor tb = tensor_of(stream, {size}, b, dtype);
          const Tensor c = target == 0 ? poisoned(stream, {size}, dtype) : target == 1 ? ta : tb;
          operation(stream, ta, tb, c);
          return std::vector<Values>{values_of(stream, c)};
        };
      };
      const auto adding = [](Stream& stream, const Tensor& x, const Tensor& y, const Tensor& c) {
        add(stream, {x, y, c});
      };
      const auto choosing = [](Stream& stream, const Tensor& x, const Tensor& y, const Tensor& c) {
        maximum(stream, {x, y, c});
      };
      Values larger(a.size());
      std::transform(a.begin(), a.end(), b.begin(), larger.begin(),
                     [](double x, double y) { return std::max(x, y); });
      conform(pairwise(DType::float32, adding), {sum_of(a, b)}, 1e-7);
      conform(pairwise(DType::float64, adding), {sum_of(a, b)}, 0);
      conform(pairwise(DType::float32, choosing), {larger}, 0);
    }
  }
}

TEST_CASE("copy and fill_zero take every dtype") {
  for (const DType dtype : {DType::float32, DType::float64, DType::int32}) {
    for (const std::int64_t size : {0, 1, 3, 100, 100003}) {
      Values x = random_values(size, 1);
      for (double& value : x) {
        value = std::floor(100 * value);
      }
      const auto copied = [&](Stream& stream) {
        const Tensor to = poisoned(stream, {size}, dtype);
        copy(stream, {.from = tensor_of(stream, {size}, x, dtype), .to = to});
        return std::vector<Values>{values_of(stream, to)};
      };
      const auto cleared = [&](Stream& stream) {
        const Tensor to = poisoned(stream, {size}, dtype);
        fill_zero(stream, {to});
        return std::vector<Values>{values_of(stream, to)};
      };
      conform(copied, {x}, 0);
      conform(cleared, {Values(x.size(), 0.0)}, 0);
    }
  }
}

TEST_CASE("elementwise operations refuse what does not fit") {
  refuses(
      [](Stream& stream) {
        activation_forward(stream, {.x = poisoned(stream, {3, 4}), .y = poisoned(stream, {4, 3})});
      },
      "[activation_forward] y is [4, 3]: it should be [3, 4]");
  refuses(
      [](Stream& stream) {
        const Tensor x = poisoned(stream, {3});
        activation_forward(stream, {.x = x, .y = x});
      },
      "y shares memory with x");
  refuses(
      [](Stream& stream) {
        bias_gradient(stream, {.dy = poisoned(stream, {3, 4}), .dbias = poisoned(stream, {3})});
      },
      "[bias_gradient] dbias is [3]: it should be [4]");
  refuses(
      [](Stream& stream) {
        const Tensor a = poisoned(stream, {3}, DType::int32);
        add(stream, {a, a, a});
      },
      "neither float32 nor bfloat16");
  refuses(
      [](Stream& stream) {
        maximum(stream, {poisoned(stream, {3}), poisoned(stream, {4}), poisoned(stream, {3})});
      },
      "[maximum] b is [4]: it should be [3]");
  refuses(
      [](Stream& stream) {
        const Tensor x = poisoned(stream, {4});
        add(stream, {x.rows(0, 2), x.rows(1, 3), x.rows(1, 3)});
      },
      "c shares a part of its memory with a");
  refuses(
      [](Stream& stream) {
        copy(stream, {poisoned(stream, {3}), poisoned(stream, {3}, DType::int32)});
      },
      "[copy] to holds int32, not float32");
}

}  // namespace stagecraft::testing
