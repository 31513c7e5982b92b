#include "kernels/ops/matmul.h"
#include "kernels/backends/make_stream.h"
#include "kernels/ops/elementwise.h"
#include "tests/conformance/ops/reference.h"

namespace stagecraft::testing {
namespace {

struct Product {
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;
  Transpose a_transposed = Transpose::no;
  Transpose b_transposed = Transpose::no;

  Shape a_shape() const { return a_transposed == Transpose::yes ? Shape{k, m} : Shape{m, k}; }
  Shape b_shape() const { return b_transposed == Transpose::yes ? Shape{n, k} : Shape{k, n}; }
  Values a() const { return random_values(m * k, 1); }
  Values b() const { return random_values(k * n, 2); }

  Values reference() const {
    const Values left = a();
    const Values right = b();
    Values c(static_cast<std::size_t>(m * n));
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t p = 0; p < k; ++p) {
        const double x = left[a_transposed == Transpose::yes ? p * m + i : i * k + p];
        for (std::int64_t j = 0; j < n; ++j) {
          c[i * n + j] += x * right[b_transposed == Transpose::yes ? j * k + p : p * n + j];
        }
      }
    }
    return c;
  }

  Matmul args(Stream& stream, const Tensor& c) const {
    return {.a = {tensor_of(stream, a_shape(), a()), a_transposed},
            .b = {tensor_of(stream, b_shape(), b()), b_transposed},
            .c = c};
  }
};

// Rounding of a float32 sum of k products of normal numbers, relative to the largest.
constexpr double kTolerance = 1e-5;

std::vector<Product> products() {
  std::vector<Product> all;
  for (const Product& size :
       {Product{1, 1, 1}, Product{1, 7, 3}, Product{5, 1, 9}, Product{1, 1, 301},
        Product{17, 33, 65}, Product{64, 96, 128}, Product{130, 257, 96}, Product{3, 700, 513}}) {
    for (const Transpose a : {Transpose::no, Transpose::yes}) {
      for (const Transpose b : {Transpose::no, Transpose::yes}) {
        all.push_back({size.m, size.n, size.k, a, b});
      }
    }
  }
  return all;
}

std::vector<Values> computed(Stream& stream, const Matmul& args) {
  matmul(stream, args);
  return {values_of(stream, args.c)};
}

}  // namespace

TEST_CASE("matmul writes op(a) op(b)") {
  for (const Product& product : products()) {
    CAPTURE(product.m, product.n, product.k, product.a_transposed, product.b_transposed);
    const auto plain = [&](Stream& stream) {
      return computed(stream, product.args(stream, poisoned(stream, {product.m, product.n})));
    };
    conform(plain, {product.reference()}, kTolerance);
  }
}

TEST_CASE("matmul adds to c with accumulate") {
  for (const Product& product : products()) {
    CAPTURE(product.m, product.n, product.k, product.a_transposed, product.b_transposed);
    const Values before = random_values(product.m * product.n, 3);
    const auto accumulated = [&](Stream& stream) {
      Matmul args = product.args(stream, tensor_of(stream, {product.m, product.n}, before));
      args.accumulate = true;
      return computed(stream, args);
    };
    conform(accumulated, {sum_of(product.reference(), before)}, kTolerance);
  }
}

TEST_CASE("matmul with a bias gives the bits of the product followed by the sum") {
  for (const Product& product : products()) {
    CAPTURE(product.m, product.n, product.k, product.a_transposed, product.b_transposed);
    const Values bias = random_values(product.n, 4);
    Values expected = product.reference();
    for (std::size_t i = 0; i < expected.size(); ++i) {
      expected[i] += bias[i % bias.size()];
    }
    const auto fused = [&](Stream& stream) {
      Matmul args = product.args(stream, poisoned(stream, {product.m, product.n}));
      args.bias = tensor_of(stream, {product.n}, bias);
      return computed(stream, args);
    };
    const auto apart = [&](Stream& stream) {
      const Matmul args = product.args(stream, poisoned(stream, {product.m, product.n}));
      matmul(stream, args);
      bias_dropout_residual(
          stream, {.x = args.c, .bias = tensor_of(stream, {product.n}, bias), .y = args.c});
      return std::vector<Values>{values_of(stream, args.c)};
    };
    conform(fused, {expected}, kTolerance);
    for (DeviceUnderTest& device : devices_under_test()) {
      CHECK(same_bits(fused(*device.streams[0]), apart(*device.streams[0])));
    }
  }
}

TEST_CASE("matmul with an activation, and with its slope, gives the bits of the parts") {
  const Activation kind = GENERATE(Activation::gelu_tanh, Activation::gelu_erf, Activation::relu);
  for (const Product& product : products()) {
    CAPTURE(kind, product.m, product.n, product.k, product.a_transposed, product.b_transposed);
    const Shape shape = {product.m, product.n};
    const Values at = random_values(product.m * product.n, 5);
    for (DeviceUnderTest& device : devices_under_test()) {
      Stream& stream = *device.streams.back();
      const Tensor bias = tensor_of(stream, {product.n}, random_values(product.n, 4));
      Matmul fused = product.args(stream, poisoned(stream, shape));
      fused.bias = bias;
      fused.pre_activation = poisoned(stream, shape);
      fused.activation = kind;
      matmul(stream, fused);
      Matmul sloped = product.args(stream, poisoned(stream, shape));
      sloped.activation_grad_of = tensor_of(stream, shape, at);
      sloped.activation = kind;
      matmul(stream, sloped);
      Matmul sum = product.args(stream, poisoned(stream, shape));
      sum.bias = bias;
      matmul(stream, sum);
      const Tensor active = poisoned(stream, shape);
      activation_forward(stream, {.x = sum.c, .y = active, .kind = kind});
      const Matmul plain = product.args(stream, poisoned(stream, shape));
      matmul(stream, plain);
      activation_backward(
          stream, {.dy = plain.c, .x = sloped.activation_grad_of, .dx = plain.c, .kind = kind});
      CHECK(same_bits(
          {values_of(stream, fused.pre_activation), values_of(stream, fused.c),
           values_of(stream, sloped.c)},
          {values_of(stream, sum.c), values_of(stream, active), values_of(stream, plain.c)}));
    }
  }
}

TEST_CASE("matmul of long sums and of many pieces does not depend on the threads") {
  // Sizes at which a GEMM that divides K over its threads was seen to change bits.
  for (const Product& product :
       {Product{32, 32, 4096, Transpose::yes}, Product{64, 64, 2048}, Product{256, 256, 1024},
        Product{256, 256, 1024, Transpose::yes}, Product{1024, 130, 65, Transpose::yes},
        Product{2048, 192, 96, Transpose::yes, Transpose::yes},
        Product{513, 771, 130, Transpose::no, Transpose::yes}}) {
    CAPTURE(product.m, product.n, product.k);
    const auto plain = [&](Stream& stream) {
      return computed(stream, product.args(stream, poisoned(stream, {product.m, product.n})));
    };
    conform(plain, {product.reference()}, kTolerance);
  }
}

TEST_CASE("matmul of nothing") {
  const auto empty = [](std::int64_t m, std::int64_t n, std::int64_t k, bool accumulate) {
    return [=](Stream& stream) {
      const Values ones(static_cast<std::size_t>(m * n), 1.0);
      Matmul args = Product{m, n, k}.args(
          stream, accumulate ? tensor_of(stream, {m, n}, ones) : poisoned(stream, {m, n}));
      args.accumulate = accumulate;
      return computed(stream, args);
    };
  };
  conform(empty(0, 4, 5, false), {{}}, 0);
  conform(empty(4, 0, 5, false), {{}}, 0);
  conform(empty(2, 3, 0, false), {Values(6, 0.0)}, 0);
  conform(empty(2, 3, 0, true), {Values(6, 1.0)}, 0);
}

TEST_CASE("matmul of nothing still adds the bias") {
  const auto only_bias = [](Stream& stream) {
    Matmul args = Product{2, 3, 0}.args(stream, poisoned(stream, {2, 3}));
    args.bias = tensor_of(stream, {3}, {1, 2, 3});
    return computed(stream, args);
  };
  conform(only_bias, {{1, 2, 3, 1, 2, 3}}, 0);
}

TEST_CASE("a stream may be allowed to round factors to tf32") {
  const Product product{64, 96, 128};
  for (DeviceUnderTest& device : devices_under_test()) {
    const auto stream = make_stream(device.streams.front()->device(), {.tf32 = true});
    const auto computed_there =
        computed(*stream, product.args(*stream, poisoned(*stream, {product.m, product.n})));
    CHECK(max_relative_error(computed_there.front(), product.reference()) <= 2e-3);
  }
}

TEST_CASE("matmul refuses what does not fit") {
  const auto with = [](const Shape& a, const Shape& b, const Shape& c, const Shape& bias = {},
                       bool accumulate = false) {
    return [=](Stream& stream) {
      matmul(stream, {.a = poisoned(stream, a),
                      .b = poisoned(stream, b),
                      .c = poisoned(stream, c),
                      .bias = bias.empty() ? Tensor() : poisoned(stream, bias),
                      .accumulate = accumulate});
    };
  };
  refuses(with({3, 4}, {5, 6}, {3, 6}), "[matmul] a is [3, 4] and b is [5, 6]");
  refuses(with({3, 4}, {4, 6}, {3, 5}), "c is [3, 5] and should be [3, 6]");
  refuses(with({3, 4, 1}, {4, 6}, {3, 6}), "a is [3, 4, 1]: it should have 2 dimensions");
  refuses(with({3, 4}, {4, 6}, {3, 6}, {5}), "bias is [5]: it should be [6]");
  refuses(with({3, 4}, {4, 6}, {3, 6}, {6}, true), "accumulate");
  refuses([](Stream& stream) { matmul(stream, {}); }, "a is missing");
  refuses(
      [](Stream& stream) {
        matmul(stream, {.a = poisoned(stream, {2, 2}, DType::float64),
                        .b = poisoned(stream, {2, 2}),
                        .c = poisoned(stream, {2, 2})});
      },
      "a holds float64, neither float32 nor bfloat16");
  refuses(
      [](Stream& stream) {
        const Tensor a = poisoned(stream, {2, 2});
        matmul(stream, {.a = a, .b = poisoned(stream, {2, 2}), .c = a});
      },
      "c shares memory with a");
}

}  // namespace stagecraft::testing
