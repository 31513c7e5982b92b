// Every operation in bfloat16 beside the same operation in float32 on the CPU, which the other
// files hold against float64: on the same numbers, all of which bfloat16 can hold, so that they
// differ by the rounding of what is stored and of nothing else.
#include "kernels/ops/adamw.h"
#include "kernels/ops/attention.h"
#include "kernels/ops/cross_entropy.h"
#include "kernels/ops/elementwise.h"
#include "kernels/ops/embedding.h"
#include "kernels/ops/matmul.h"
#include "kernels/ops/norm.h"
#include "kernels/ops/op_table.h"
#include "tests/conformance/reference.h"

namespace stagecraft::testing {
namespace {

/// What an operation writes when its activations hold `dtype`.
using InEither = std::function<std::vector<Values>(Stream&, DType dtype)>;

/// Half of the distance between neighbours, relative to the largest number of an output.
constexpr double kStored = 1.0 / 256;
/// What is rounded on the way, or made of factors that were.
constexpr double kTwice = 3.0 / 256;
/// Outputs in float32: only the sums' own rounding.
constexpr double kSummed = 2e-5;

/// `tolerances` by output.
void conform_in_bfloat16(const InEither& compute, const std::vector<double>& tolerances) {
  const auto cpu = make_stream({}, {.threads = 2});
  const std::vector<Values> expected = compute(*cpu, DType::float32);
  REQUIRE(expected.size() == tolerances.size());
  for (DeviceUnderTest& device : devices_under_test()) {
    INFO("device " << device.name);
    if (!device.streams.front()->ops().without_bfloat16.empty()) {
      continue;
    }
    const std::vector<Values> first = compute(*device.streams.front(), DType::bfloat16);
    REQUIRE(first.size() == expected.size());
    for (std::size_t i = 0; i < first.size(); ++i) {
      INFO("output " << i);
      CHECK(max_relative_error(first[i], expected[i]) <= tolerances[i]);
    }
    for (const auto& stream : device.streams) {
      CHECK(same_bits(compute(*stream, DType::bfloat16), first));
    }
  }
}

Values drawn(const Shape& shape, std::uint64_t seed) {
  return rounded_to(DType::bfloat16, random_values(elements_of(shape), seed));
}

Tensor activation(Stream& stream, const Shape& shape, std::uint64_t seed, DType dtype) {
  return tensor_of(stream, shape, drawn(shape, seed), dtype);
}

Tensor number(Stream& stream, const Shape& shape, std::uint64_t seed) {
  return activation(stream, shape, seed, DType::float32);
}

Tensor tokens(Stream& stream, std::int64_t rows, std::int64_t vocabulary) {
  Values drawn_tokens(static_cast<std::size_t>(rows));
  for (std::size_t i = 0; i < drawn_tokens.size(); ++i) {
    drawn_tokens[i] = static_cast<double>((i * 7 + i / 3) % static_cast<std::size_t>(vocabulary));
  }
  return tensor_of(stream, {rows}, drawn_tokens, DType::int32);
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
    const std::string reason(stream.ops().without_bfloat16);
    if (!reason.empty()) {
      std::printf("bfloat16 on %s: skipped, %s\n", device.name.c_str(), reason.c_str());
      const Tensor x = poisoned(stream, {4}, DType::bfloat16);
      CHECK_THROWS_WITH(gelu_forward(stream, {x, poisoned(stream, {4}, DType::bfloat16)}),
                        Catch::Matchers::Contains(reason));
    }
  }
}

TEST_CASE("bfloat16: products, written in it and added up in float32") {
  for (const auto& [m, n, k] : std::vector<std::array<std::int64_t, 3>>{
           {1, 1, 1}, {5, 1, 9}, {17, 33, 65}, {64, 96, 128}, {130, 264, 96}, {40, 64, 2048}}) {
    for (const bool a_turned : {false, true}) {
      for (const bool b_turned : {false, true}) {
        CAPTURE(m, n, k, a_turned, b_turned);
        const auto product = [&, m = m, n = n, k = k](Stream& stream, DType dtype) {
          Matmul args;
          args.a = activation(stream, a_turned ? Shape{k, m} : Shape{m, k}, 1, dtype);
          args.b = activation(stream, b_turned ? Shape{n, k} : Shape{k, n}, 2, dtype);
          args.transpose_a = a_turned ? Transpose::yes : Transpose::no;
          args.transpose_b = b_turned ? Transpose::yes : Transpose::no;
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

TEST_CASE("bfloat16: products with GELU and with its slope") {
  for (const auto& [m, n, k] : std::vector<std::array<std::int64_t, 3>>{
           {3, 5, 7}, {64, 96, 32}, {130, 264, 96}, {256, 768, 192}}) {
    CAPTURE(m, n, k);
    const auto joined = [m = m, n = n, k = k](Stream& stream, DType dtype) {
      Matmul args;
      args.a = activation(stream, {m, k}, 1, dtype);
      args.b = activation(stream, {k, n}, 2, dtype);
      args.c = poisoned(stream, {m, n}, dtype);
      args.bias = activation(stream, {n}, 4, dtype);
      args.before_gelu = poisoned(stream, {m, n}, dtype);
      matmul(stream, args);
      const std::vector<Values> forward{values_of(stream, args.before_gelu),
                                        values_of(stream, args.c)};
      args.bias = args.before_gelu = Tensor();
      args.slope_at = activation(stream, {m, n}, 5, dtype);
      matmul(stream, args);
      return std::vector<Values>{forward[0], forward[1], values_of(stream, args.c)};
    };
    conform_in_bfloat16(joined, {kTwice, kTwice, kTwice});
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
                                   gelu_forward(stream, {x, out});
                                 }),
                                 result([&](const Tensor& out) {
                                   gelu_backward(stream, {y, x, out});
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

TEST_CASE("bfloat16: embeddings") {
  constexpr std::int64_t kVocabulary = 11;
  constexpr std::int64_t kPositions = 5;
  for (const std::int64_t h : {1, 7, 64, 300}) {
    CAPTURE(h);
    const auto embedded = [h](Stream& stream, DType dtype) {
      const std::int64_t rows = 8 * kPositions;
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
      token_embedding_backward(stream,
                               {.tokens = read, .dy = dy, .first_token = 1, .dtable = dtokens});
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

TEST_CASE("bfloat16: attention") {
  // Heads of a multiple of 8 numbers and others: two ways to compute them on CUDA.
  for (const auto& [samples, sequence, heads, size] :
       std::vector<std::array<std::int64_t, 4>>{{1, 1, 1, 1},
                                                {2, 7, 3, 12},
                                                {2, 33, 2, 64},
                                                {1, 130, 3, 40},
                                                {2, 200, 2, 128},
                                                {1, 65, 2, 256}}) {
    CAPTURE(samples, sequence, heads, size);
    AttentionShape shape;
    shape.samples = samples;
    shape.sequence = sequence;
    shape.heads = heads;
    shape.head_size = size;
    const std::int64_t rows = samples * sequence;
    const std::int64_t width = heads * size;
    const auto attention = [&](Stream& stream, DType dtype) {
      const AttentionForward forward = {
          .shape = shape,
          .qkv = activation(stream, {rows, 3 * width}, 1, dtype),
          .out = poisoned(stream, {rows, width}, dtype),
          .log_sum = poisoned(stream, {shape.samples, shape.heads, shape.sequence})};
      attention_forward(stream, forward);
      const AttentionBackward backward = {.shape = shape,
                                          .dout = activation(stream, {rows, width}, 2, dtype),
                                          .qkv = forward.qkv,
                                          .out = forward.out,
                                          .log_sum = forward.log_sum,
                                          .dqkv = poisoned(stream, {rows, 3 * width}, dtype)};
      attention_backward(stream, backward);
      return std::vector<Values>{values_of(stream, forward.out), values_of(stream, forward.log_sum),
                                 values_of(stream, backward.dqkv)};
    };
    conform_in_bfloat16(attention, {kTwice, 1e-4, kTwice});
  }
}

TEST_CASE(
    "bfloat16: attention drops as many probabilities as it should, alike in both directions") {
  // With equal scores and values of one, a row of `out` is the share that was kept, times 1 / (1 -
  // p). The gradient of the values, for a gradient of one, is the same share by columns.
  AttentionShape shape;
  shape.samples = 4;
  shape.sequence = 128;
  shape.heads = 4;
  shape.head_size = 64;
  shape.dropout = {.probability = 0.25F, .key = 9, .step = 1, .first_sample = 8};
  const std::int64_t rows = shape.samples * shape.sequence;
  const std::int64_t width = shape.heads * shape.head_size;
  Values qkv(static_cast<std::size_t>(rows * 3 * width), 0.0);
  for (std::size_t i = 0; i < qkv.size(); ++i) {
    qkv[i] = i % (3 * width) >= static_cast<std::size_t>(2 * width) ? 1 : 0;
  }
  const Values ones(static_cast<std::size_t>(rows * width), 1.0);
  for (DeviceUnderTest& device : devices_under_test()) {
    Stream& stream = *device.streams.front();
    if (!stream.ops().without_bfloat16.empty()) {
      continue;
    }
    const auto run = [&](const AttentionShape& with) {
      const AttentionForward forward = {
          .shape = with,
          .qkv = tensor_of(stream, {rows, 3 * width}, qkv, DType::bfloat16),
          .out = poisoned(stream, {rows, width}, DType::bfloat16),
          .log_sum = poisoned(stream, {with.samples, with.heads, with.sequence})};
      attention_forward(stream, forward);
      const AttentionBackward backward = {
          .shape = with,
          .dout = tensor_of(stream, {rows, width}, ones, DType::bfloat16),
          .qkv = forward.qkv,
          .out = forward.out,
          .log_sum = forward.log_sum,
          .dqkv = poisoned(stream, {rows, 3 * width}, DType::bfloat16)};
      attention_backward(stream, backward);
      return std::vector<Values>{values_of(stream, forward.out), values_of(stream, backward.dqkv)};
    };
    const std::vector<Values> dropped = run(shape);
    double kept = 0;
    double returned = 0;
    for (const double share : dropped[0]) {
      kept += share;
    }
    for (std::size_t i = 0; i < dropped[1].size(); ++i) {
      returned += i % (3 * width) >= static_cast<std::size_t>(2 * width) ? dropped[1][i] : 0;
    }
    const auto all = static_cast<double>(ones.size());
    CHECK(kept / all == Approx(1).margin(0.02));
    CHECK(returned == Approx(kept).epsilon(0.005));
    CHECK(same_bits(run(shape), dropped));
    AttentionShape later = shape;
    later.dropout.step = 2;
    CHECK_FALSE(same_bits(run(later), dropped));
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
      ranges.rounded = poisoned(stream, {n}, DType::bfloat16);
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
      CHECK(
          same_bits({values_of(stream, ranges.rounded)}, {rounded_to(DType::bfloat16, expected)}));
    }
  }
}

}  // namespace stagecraft::testing
