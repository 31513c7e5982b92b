#include "kernels/ops/embedding.h"

#include <cmath>

#include "tests/conformance/ops/reference.h"
#include "tests/conformance/ops/token_order.h"

namespace stagecraft::testing {
namespace {

struct Case {
  std::int64_t rows;
  std::int64_t h;
  std::int64_t held;         // rows of the local table
  std::int64_t first_token;  // of the local table
  std::int64_t vocabulary;

  /// Tokens over the whole vocabulary, so that some are not held and many repeat.
  Values tokens() const {
    Values out;
    for (std::int64_t r = 0; r < rows; ++r) {
      out.push_back(static_cast<double>((r * 7 + r * r) % vocabulary));
    }
    return out;
  }
  /// The row of the local table that a token takes, or -1.
  std::int64_t row_of(double token) const {
    const auto at = static_cast<std::int64_t>(token) - first_token;
    return at >= 0 && at < held ? at : -1;
  }
};

std::vector<Case> cases() {
  return {{1, 1, 1, 0, 1},    {5, 3, 7, 0, 7},   {9, 65, 4, 3, 11}, {50, 64, 8, 8, 16},
          {70, 129, 3, 0, 3}, {200, 5, 3, 0, 3}, {0, 8, 4, 0, 4}};
}

Values forward_reference(const Case& with, const Values& table) {
  Values y;
  for (const double token : with.tokens()) {
    const std::int64_t row = with.row_of(token);
    for (std::int64_t c = 0; c < with.h; ++c) {
      y.push_back(row < 0 ? 0 : table[row * with.h + c]);
    }
  }
  return y;
}

/// dropout's factors are those of dropout.cpp's suite; here probability is 0.
Values position_reference(const Values& x, const Values& table, std::int64_t positions,
                          std::int64_t h) {
  Values y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    y[i] = x[i] + table[i % static_cast<std::size_t>(positions * h)];
  }
  return y;
}

}  // namespace

TEST_CASE("token_embedding_forward") {
  for (const Case& with : cases()) {
    CAPTURE(with.rows, with.h, with.held, with.first_token);
    const Values table = random_values(with.held * with.h, 1);
    const auto forward = [&](Stream& stream) {
      const TokenEmbeddingForward args = {
          .tokens = tensor_of(stream, {with.rows}, with.tokens(), DType::int32),
          .table = tensor_of(stream, {with.held, with.h}, table),
          .first_token = with.first_token,
          .y = poisoned(stream, {with.rows, with.h})};
      token_embedding_forward(stream, args);
      return std::vector<Values>{values_of(stream, args.y)};
    };
    conform(forward, {forward_reference(with, table)}, 0);
  }
}

TEST_CASE("token_order keeps the rows of a token together, in ascending order") {
  CHECK(token_order({}).empty());
  const std::vector<std::int32_t> tokens = {7, 0, 3, 7, 0, 50000, 3, 7};
  const std::vector<std::int32_t> order = {0, 0, 3, 3, 7, 7, 7, 50000,  //
                                           1, 4, 2, 6, 0, 3, 7, 5};
  CHECK(token_order(tokens) == order);
}

TEST_CASE("token_embedding_backward against finite differences") {
  for (const Case& with : cases()) {
    for (const bool accumulate : {false, true}) {
      CAPTURE(with.rows, with.h, with.held, with.first_token, accumulate);
      const Values table = random_values(with.held * with.h, 1);
      const Values dy = random_values(with.rows * with.h, 2);
      const Values before = random_values(with.held * with.h, 3);
      Values expected = numeric_gradient(
          [&](const Values& at) { return dot(forward_reference(with, at), dy); }, table);
      expected = accumulate ? sum_of(expected, before) : expected;
      const auto backward = [&](Stream& stream) {
        const Shape shape = {with.held, with.h};
        const TokenEmbeddingBackward args = {
            .order = order_of(stream, with.tokens()),
            .dy = tensor_of(stream, {with.rows, with.h}, dy),
            .first_token = with.first_token,
            .dtable = accumulate ? tensor_of(stream, shape, before) : poisoned(stream, shape),
            .accumulate = accumulate};
        token_embedding_backward(stream, args);
        return std::vector<Values>{values_of(stream, args.dtable)};
      };
      conform(backward, {expected}, 2e-6);
    }
  }
}

TEST_CASE("token_embedding_backward takes every row once, however many a token has") {
  // Sums of multiples of 1/64 are exact in any order.
  constexpr std::int64_t kFirst = 10;
  struct Sizes {
    std::int64_t rows, h, held;
  };
  for (const auto& [rows, h, held] :
       {Sizes{130, 3, 300}, Sizes{130, 520, 300}, Sizes{2048, 3, 300}, Sizes{2048, 520, 300},
        Sizes{9001, 3, 300}, Sizes{9001, 520, 300}, Sizes{700, 3, 70001}}) {
    for (const std::int64_t common : {0, 2, 1}) {  // every common-th row has one token; 0: none
      CAPTURE(rows, h, held, common);
      Values tokens;
      for (std::int64_t r = 0; r < rows; ++r) {
        const bool one = common > 0 && r % common == 0;
        tokens.push_back(static_cast<double>(one ? 17 : r * 7919 % (held + 2 * kFirst)));
      }
      Values dy = random_values(rows * h, 2);
      for (double& value : dy) {
        value = std::round(value * 64) / 64;
      }
      Values expected(static_cast<std::size_t>(held * h), 1);
      for (std::int64_t r = 0; r < rows; ++r) {
        const auto at = static_cast<std::int64_t>(tokens[static_cast<std::size_t>(r)]) - kFirst;
        for (std::int64_t c = 0; c < h && at >= 0 && at < held; ++c) {
          expected[static_cast<std::size_t>(at * h + c)] += dy[static_cast<std::size_t>(r * h + c)];
        }
      }
      const auto backward = [&](Stream& stream) {
        const TokenEmbeddingBackward args = {
            .order = order_of(stream, tokens),
            .dy = tensor_of(stream, {rows, h}, dy),
            .first_token = kFirst,
            .dtable = tensor_of(stream, {held, h}, Values(expected.size(), 1))};
        token_embedding_backward(stream, args);
        return std::vector<Values>{values_of(stream, args.dtable)};
      };
      conform(backward, {expected}, 0);
    }
  }
}

TEST_CASE("position_embedding_forward, also in place") {
  for (const auto& [samples, positions, h] :
       {std::array<std::int64_t, 3>{1, 1, 1}, {3, 5, 7}, {2, 64, 600}, {0, 4, 3}}) {
    for (const bool in_place : {false, true}) {
      CAPTURE(samples, positions, h, in_place);
      const Values x = random_values(samples * positions * h, 1);
      const Values table = random_values((positions + 2) * h, 2);
      const Shape shape = {samples * positions, h};
      const auto forward = [&](Stream& stream) {
        const Tensor input = tensor_of(stream, shape, x);
        const PositionEmbeddingForward args = {
            .x = input,
            .table = tensor_of(stream, {positions + 2, h}, table),
            .dropout = {.rows_per_sample = positions},
            .y = in_place ? input : poisoned(stream, shape)};
        position_embedding_forward(stream, args);
        return std::vector<Values>{values_of(stream, args.y)};
      };
      conform(forward, {position_reference(x, table, positions, h)}, 1e-7);
    }
  }
}

TEST_CASE("position_embedding_forward drops after the sum, with the bits of its parts") {
  const Dropout dropout = {
      .probability = 0.3F, .key = 5, .step = 2, .first_sample = 9, .rows_per_sample = 5};
  const Values x = random_values(3 * 5 * 21, 1);
  const Values table = random_values(5 * 21, 2);
  for (DeviceUnderTest& device : devices_under_test()) {
    for (const auto& stream : device.streams) {
      PositionEmbeddingForward args = {.x = tensor_of(*stream, {15, 21}, x),
                                       .table = tensor_of(*stream, {5, 21}, table),
                                       .dropout = dropout,
                                       .y = poisoned(*stream, {15, 21})};
      position_embedding_forward(*stream, args);
      const Tensor joined = args.y;
      args.y = poisoned(*stream, {15, 21});
      args.dropout.probability = 0;
      position_embedding_forward(*stream, args);
      dropout_backward(*stream, {.dy = args.y, .dropout = dropout, .dx = args.y});
      CHECK(same_bits({values_of(*stream, joined)}, {values_of(*stream, args.y)}));
    }
  }
}

TEST_CASE("position embeddings with a position of each row") {
  const Dropout dropout = {
      .probability = 0.3F, .key = 5, .step = 2, .first_sample = 9, .rows_per_sample = 5};
  const Values positions = {0, 1, 0, 1, 2, 6, 0, 0, 0, 3};
  for (const std::int64_t h : {std::int64_t{21}, std::int64_t{32}}) {
    const Values x = random_values(10 * h, 1);
    const Values table = random_values(7 * h, 2);
    Values expected = x;
    Values dtable = random_values(7 * h, 3);
    const Values before = dtable;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto column = i % static_cast<std::size_t>(h);
      const auto row = i / static_cast<std::size_t>(h);
      const auto at = static_cast<std::size_t>(positions[row]) * static_cast<std::size_t>(h);
      expected[i] += table[at + column];
      dtable[at + column] += x[i];
    }
    const auto sum = [&](Stream& stream, const Dropout& with) {
      const Tensor y = poisoned(stream, {10, h});
      position_embedding_forward(stream,
                                 {.x = tensor_of(stream, {10, h}, x),
                                  .table = tensor_of(stream, {7, h}, table),
                                  .positions = tensor_of(stream, {10}, positions, DType::int32),
                                  .dropout = with,
                                  .y = y});
      return y;
    };
    conform(
        [&](Stream& stream) {
          return std::vector<Values>{values_of(stream, sum(stream, {.rows_per_sample = 5}))};
        },
        {expected}, 1e-7);
    conform(
        [&](Stream& stream) {
          const PositionEmbeddingBackward args = {
              .dy = tensor_of(stream, {10, h}, x),
              .order = order_of(stream, {positions.begin(), positions.end()}),
              .dtable = tensor_of(stream, {7, h}, before)};
          position_embedding_backward(stream, args);
          return std::vector<Values>{values_of(stream, args.dtable)};
        },
        {dtable}, 1e-6);
    for (DeviceUnderTest& device : devices_under_test()) {
      Stream& stream = *device.streams.front();
      const Tensor apart = sum(stream, {.rows_per_sample = 5});
      dropout_backward(stream, {.dy = apart, .dropout = dropout, .dx = apart});
      CHECK(same_bits({values_of(stream, sum(stream, dropout))}, {values_of(stream, apart)}));
    }
  }
}

TEST_CASE("position_embedding_backward against finite differences") {
  for (const auto& [samples, positions, h] :
       {std::array<std::int64_t, 3>{1, 1, 1}, {3, 5, 7}, {4, 2, 130}, {37, 2, 9}, {0, 4, 3}}) {
    for (const bool accumulate : {false, true}) {
      CAPTURE(samples, positions, h, accumulate);
      const Values x = random_values(samples * positions * h, 1);
      const Values dy = random_values(samples * positions * h, 2);
      const Values table = random_values((positions + 2) * h, 3);
      const Values before = random_values((positions + 2) * h, 4);
      const std::int64_t rows_per_sample = positions;
      const std::int64_t width = h;
      const auto loss = [&](const Values& at) {
        return dot(position_reference(x, at, rows_per_sample, width), dy);
      };
      Values expected = numeric_gradient(loss, table);
      expected = accumulate ? sum_of(expected, before) : expected;
      const Shape shape = {positions + 2, h};
      const Shape rows = {samples * positions, h};
      const auto backward = [&](Stream& stream) {
        const PositionEmbeddingBackward args = {
            .dy = tensor_of(stream, rows, dy),
            .rows_per_sample = rows_per_sample,
            .dtable = accumulate ? tensor_of(stream, shape, before) : poisoned(stream, shape),
            .accumulate = accumulate};
        position_embedding_backward(stream, args);
        return std::vector<Values>{values_of(stream, args.dtable)};
      };
      conform(backward, {expected}, 2e-6);
    }
  }
}

TEST_CASE("embeddings refuse what does not fit") {
  refuses(
      [](Stream& stream) {
        token_embedding_forward(stream, {.tokens = poisoned(stream, {3}),
                                         .table = poisoned(stream, {4, 2}),
                                         .y = poisoned(stream, {3, 2})});
      },
      "[token_embedding_forward] tokens holds float32, not int32");
  refuses(
      [](Stream& stream) {
        token_embedding_backward(stream, {.order = order_of(stream, {1, 0, 1}),
                                          .dy = poisoned(stream, {3, 5}),
                                          .dtable = poisoned(stream, {4, 2})});
      },
      "[token_embedding_backward] dtable is [4, 2]: it should be [4, 5]");
  refuses(
      [](Stream& stream) {
        token_embedding_backward(stream, {.order = poisoned(stream, {3}, DType::int32),
                                          .dy = poisoned(stream, {3, 2}),
                                          .dtable = poisoned(stream, {4, 2})});
      },
      "[token_embedding_backward] order is [3]: it should be [2, 3]");
  refuses([](Stream& stream) { order_of(stream, {2, -1}); }, "[token_order] a token is -1");
  refuses(
      [](Stream& stream) {
        position_embedding_forward(stream, {.x = poisoned(stream, {8, 2}),
                                            .table = poisoned(stream, {3, 2}),
                                            .dropout = {.rows_per_sample = 4},
                                            .y = poisoned(stream, {8, 2})});
      },
      "want at least [4, 2]");
  refuses(
      [](Stream& stream) {
        position_embedding_forward(stream, {.x = poisoned(stream, {8, 2}),
                                            .table = poisoned(stream, {3, 2}),
                                            .positions = poisoned(stream, {7}, DType::int32),
                                            .dropout = {.rows_per_sample = 4},
                                            .y = poisoned(stream, {8, 2})});
      },
      "positions is [7]: it should be [8]");
  refuses(
      [](Stream& stream) {
        position_embedding_backward(stream, {.dy = poisoned(stream, {7, 2}),
                                             .rows_per_sample = 4,
                                             .dtable = poisoned(stream, {4, 2})});
      },
      "7 rows are not whole samples of 4");
}

}  // namespace stagecraft::testing
