// Operations in bfloat16; attention has a file of its own.
#include "kernels/ops/cross_entropy.h"
#include "kernels/ops/elementwise.h"
#include "kernels/ops/embedding.h"
#include "kernels/ops/matmul.h"
#include "kernels/ops/norm.h"
#include "tests/conformance/ops/bfloat16.h"
#include "tests/conformance/ops/token_order.h"

namespace stagecraft::testing {
namespace {

Values drawn_tokens(std::int64_t rows, std::int64_t vocabulary) {
  Values drawn(static_cast<std::size_t>(rows));
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    drawn[i] = static_cast<double>((i * 7 + i / 3) % static_cast<std::size_t>(vocabulary));
  }
  return drawn;
}
Tensor tokens(Stream& stream, std::int64_t rows, std::int64_t vocabulary) {
  return tensor_of(stream, {rows}, drawn_tokens(rows, vocabulary), DType::int32);
}

struct Size {
  std::int64_t rows;
  std::int64_t columns;
};
const std::vector<Size> kSizes{{1, 1}, {3, 7}, {5, 33}, {64, 96}, {130, 257}, {257, 768}};

const Dropout kDropout{
    .probability = 0.25F, .key = 5, .step = 3, .first_sample = 2, .rows_per_sample = 1};

}  // namespace

TEST_CASE("bfloat16: where a device does not compute in it, operations say why") {
  for (DeviceUnderTest& device : devices_under_test()) {
    Stream& stream = *device.streams.front();
    const std::string reason(without_bfloat16(stream));
    if (!reason.empty()) {
      std::printf("bfloat16 on %s: skipped, %s\n", device.name.c_str(), reason.c_str());
      const Tensor x = poisoned(stream, {4}, DType::bfloat16);
      CHECK_THROWS_WITH(activation_forward(stream, {x, poisoned(stream, {4}, DType::bfloat16)}),
                        Catch::Matchers::Contains(reason));
    }
  }
}

TEST_CASE("bfloat16: products, written in it and added up in float32") {
  for (const auto& [m, n, k] : std::vector<std::array<std::int64_t, 3>>{
           {1, 1, 1}, {5, 1, 9}, {17, 33, 65}, {64, 96, 128}, {130, 264, 96}, {40, 64, 2048}}) {
    for (const bool a_transposed : {false, true}) {
      for (const bool b_transposed : {false, true}) {
        CAPTURE(m, n, k, a_transposed, b_transposed);
        const auto product = [&, m = m, n = n, k = k](Stream& stream, DType dtype) {
          Matmul args;
          args.a = {activation(stream, a_transposed ? Shape{k, m} : Shape{m, k}, 1, dtype),
                    a_transposed ? Transpose::yes : Transpose::no};
          args.b = {activation(stream, b_transposed ? Shape{n, k} : Shape{k, n}, 2, dtype),
                    b_transposed ? Transpose::yes : Transpose::no};
          args.c = poisoned(stream, {m, n}, dtype);
          matmul(stream, args);
          std::vector<Values> outputs{values_of(stream, args.c)};
          args.c = number(stream, {m, n}, 3);
          args.accumulate = true;
          matmul(stream, args);
          outputs.push_back(values_of(stream, args.c));
          args.c = poisoned(stream, {m, n}, dtype);
          args.accumulate = false;
          args.bias = activation(stream, {n}, 4, dtype);
          matmul(stream, args);
          outputs.push_back(values_of(stream, args.c));
          return outputs;
        };
        conform_in_bfloat16(product, {kStored, kSummed, kTwice});
      }
    }
  }
}

TEST_CASE("bfloat16: products with an activation and with its slope") {
  const Activation kind = GENERATE(Activation::gelu_tanh, Activation::gelu_erf, Activation::relu);
  for (const auto& [m, n, k] : std::vector<std::array<std::int64_t, 3>>{
           {3, 5, 7}, {64, 96, 32}, {130, 264, 96}, {256, 768, 192}}) {
    CAPTURE(kind, m, n, k);
    const auto fused = [kind, m = m, n = n, k = k](Stream& stream, DType dtype) {
      Matmul args;
      args.activation = kind;
      args.a = activation(stream, {m, k}, 1, dtype);
      args.b = activation(stream, {k, n}, 2, dtype);
      args.c = poisoned(stream, {m, n}, dtype);
      args.bias = activation(stream, {n}, 4, dtype);
      args.pre_activation = poisoned(stream, {m, n}, dtype);
      matmul(stream, args);
      const std::vector<Values> forward{values_of(stream, args.pre_activation),
                                        values_of(stream, args.c)};
      args.bias = args.pre_activation = Tensor();
      args.activation_grad_of = activation(stream, {m, n}, 5, dtype);
      matmul(stream, args);
      return std::vector<Values>{forward[0], forward[1], values_of(stream, args.c)};
    };
    conform_in_bfloat16(fused, {kTwice, kTwice, kTwice});
  }
}

TEST_CASE("bfloat16: layer norm") {
  std::vector<Size> sizes = kSizes;
  sizes.insert(sizes.end(), {{300, 1600}, {130, 2048}, {20, 3072}, {9, 8192}});
  for (const auto& [rows, h] : sizes) {
    CAPTURE(rows, h);
    const auto norm = [rows = rows, h = h](Stream& stream, DType dtype) {
      const LayerNormForward forward = {.x = activation(stream, {rows, h}, 1, dtype),
                                        .gamma = number(stream, {h}, 2),
                                        .beta = number(stream, {h}, 3),
                                        .y = poisoned(stream, {rows, h}, dtype),
                                        .mean = poisoned(stream, {rows}),
                                        .rstd = poisoned(stream, {rows})};
      layer_norm_forward(stream, forward);
      const LayerNormBackwardInput input = {
          .dy = activation(stream, {rows, h}, 4, dtype),
          .x = forward.x,
          .gamma = forward.gamma,
          .mean = forward.mean,
          .rstd = forward.rstd,
          .residual_gradient = activation(stream, {rows, h}, 5, dtype),
          .dx = poisoned(stream, {rows, h}, dtype),
          .sums = poisoned(stream, norm_sums_shape(rows, h))};
      layer_norm_backward_input(stream, input);
      const LayerNormBackwardWeight weight = {.sums = input.sums,
                                              .dgamma = poisoned(stream, {h}),
                                              .dbeta = poisoned(stream, {h}),
                                              .accumulate = false};
      layer_norm_backward_weight(stream, weight);
      return std::vector<Values>{values_of(stream, forward.y), values_of(stream, forward.rstd),
                                 values_of(stream, input.dx), values_of(stream, weight.dgamma),
                                 values_of(stream, weight.dbeta)};
    };
    conform_in_bfloat16(norm, {kStored, kSummed, kStored, h == 1 ? 1 : kSummed, kSummed});
  }
}

TEST_CASE("bfloat16: element by element, and sums over rows") {
  for (const auto& [rows, columns] : kSizes) {
    CAPTURE(rows, columns);
    const Shape shape = {rows, columns};
    const auto elementwise = [&, columns = columns](Stream& stream, DType dtype) {
      const Tensor x = activation(stream, shape, 1, dtype);
      const Tensor y = activation(stream, shape, 2, dtype);
      const auto result = [&](auto&& operation) {
        const Tensor out = poisoned(stream, shape, dtype);
        operation(out);
        return values_of(stream, out);
      };
      const Tensor dbias = poisoned(stream, {columns});
      bias_gradient(stream, {.dy = x, .dbias = dbias, .accumulate = false});
      const Tensor widened = poisoned(stream, shape);
      convert(stream, {x, widened});
      return std::vector<Values>{result([&](const Tensor& out) {
                                   activation_forward(stream, {x, out});
                                 }),
                                 result([&](const Tensor& out) {
                                   activation_backward(stream, {y, x, out});
                                 }),
                                 result([&](const Tensor& out) {
                                   add(stream, {x, y, out});
                                 }),
                                 result([&](const Tensor& out) {
                                   bias_dropout_residual(
                                       stream, {.x = x,
                                                .bias = activation(stream, {columns}, 3, dtype),
                                                .residual = y,
                                                .dropout = kDropout,
                                                .y = out});
                                 }),
                                 result([&](const Tensor& out) {
                                   dropout_backward(stream, {x, kDropout, out});
                                 }),
                                 result([&](const Tensor& out) {
                                   convert(stream, {number(stream, shape, 6), out});
                                 }),
                                 values_of(stream, dbias),
                                 values_of(stream, widened)};
    };
    conform_in_bfloat16(elementwise, {kStored, kStored, kStored, kStored, kStored, 0, kSummed, 0});
  }
}

TEST_CASE("bfloat16: activations and their slopes, from far below zero to far above") {
  const Activation kind = GENERATE(Activation::gelu_tanh, Activation::gelu_erf, Activation::relu);
  for (const double x :
       {-1e30, -1e4, -100.0, -12.0, -5.0, -2.0, -0.01, 0.01, 3.0, 12.0, 1e4, 1e30}) {
    CAPTURE(kind, x);
    const auto both = [=](Stream& stream, DType dtype) {
      const Values values = rounded_to(DType::bfloat16, Values(9, x));
      const Tensor at = tensor_of(stream, {9}, values, dtype);
      const Tensor y = poisoned(stream, {9}, dtype);
      const Tensor dx = poisoned(stream, {9}, dtype);
      activation_forward(stream, {.x = at, .y = y, .kind = kind});
      activation_backward(stream, {.dy = at, .x = at, .dx = dx, .kind = kind});
      return std::vector<Values>{values_of(stream, y), values_of(stream, dx)};
    };
    conform_in_bfloat16(both, {kStored, kStored});
  }
}

TEST_CASE("bfloat16: embeddings") {
  constexpr std::int64_t kVocabulary = 11;
  constexpr std::int64_t kPositions = 5;
  for (const auto& [samples, h] :
       std::vector<std::array<std::int64_t, 2>>{{8, 1}, {8, 7}, {8, 64}, {8, 300}, {700, 64}}) {
    CAPTURE(samples, h);
    const auto embedded = [samples = samples, h = h](Stream& stream, DType dtype) {
      const std::int64_t rows = samples * kPositions;
      const Tensor read = tokens(stream, rows, kVocabulary);
      const Tensor x = poisoned(stream, {rows, h}, dtype);
      token_embedding_forward(stream, {.tokens = read,
                                       .table = activation(stream, {kVocabulary - 2, h}, 1, dtype),
                                       .first_token = 1,
                                       .y = x});
      const Values looked_up = values_of(stream, x);
      Dropout dropout = kDropout;
      dropout.rows_per_sample = kPositions;
      position_embedding_forward(stream, {.x = x,
                                          .table = activation(stream, {kPositions, h}, 2, dtype),
                                          .dropout = dropout,
                                          .y = x});
      const Tensor dy = activation(stream, {rows, h}, 3, dtype);
      const Tensor dtokens = number(stream, {kVocabulary - 2, h}, 4);
      token_embedding_backward(stream, {.order = order_of(stream, drawn_tokens(rows, kVocabulary)),
                                        .dy = dy,
                                        .first_token = 1,
                                        .dtable = dtokens});
      const Tensor dpositions = poisoned(stream, {kPositions + 1, h});
      position_embedding_backward(
          stream,
          {.dy = dy, .rows_per_sample = kPositions, .dtable = dpositions, .accumulate = false});
      return std::vector<Values>{looked_up, values_of(stream, x), values_of(stream, dtokens),
                                 values_of(stream, dpositions)};
    };
    conform_in_bfloat16(embedded, {0, kStored, kSummed, kSummed});
  }
}

TEST_CASE("bfloat16: softmax and cross-entropy") {
  for (const auto& [rows, columns] : kSizes) {
    CAPTURE(rows, columns);
    const auto softmax = [rows = rows, columns = columns](Stream& stream, DType dtype) {
      const VocabularyShard shard{.first_token = 0,
                                  .vocabulary = std::max<std::int64_t>(1, columns - 2)};
      const Tensor targets = tokens(stream, rows, shard.vocabulary);
      const Tensor logits = activation(stream, {rows, columns}, 1, dtype);
      const Tensor maximum = poisoned(stream, {rows});
      const Tensor sums = poisoned(stream, {2, rows});
      softmax_maximum(stream, {.logits = logits, .shard = shard, .maximum = maximum});
      softmax_sum(stream, {.logits = logits,
                           .maximum = maximum,
                           .targets = targets,
                           .shard = shard,
                           .sum_and_target = sums});
      softmax_gradient(stream, {.logits = logits,
                                .maximum = maximum,
                                .sum_and_target = sums,
                                .targets = targets,
                                .shard = shard,
                                .scale = 0.5F});
      return std::vector<Values>{values_of(stream, maximum), values_of(stream, sums),
                                 values_of(stream, logits)};
    };
    conform_in_bfloat16(softmax, {0, kSummed, columns <= 3 ? 1 : kStored});
  }
}

}  // namespace stagecraft::testing
