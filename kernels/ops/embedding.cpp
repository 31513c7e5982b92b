#include "kernels/ops/embedding.h"

#include <algorithm>
#include <numeric>

#include "kernels/ops/checks.h"
#include "kernels/ops/dispatch.h"

namespace stagecraft {
namespace {

/// x is [samples * rows_per_sample, h] and the table is [at least rows_per_sample, h].
void check_position_table(std::string_view where, const Tensor& x, std::int64_t rows_per_sample,
                          std::string_view table_name, const Tensor& table) {
  require(rows_per_sample >= 1 && x.size(0) % rows_per_sample == 0, where,
          "{} rows are not whole samples of {} rows", x.size(0), rows_per_sample);
  require(table.size(0) >= rows_per_sample && table.size(1) == x.size(1), where,
          "{} is {}: samples of {} rows of {} elements want at least [{}, {}]", table_name,
          table.shape(), rows_per_sample, x.size(1), rows_per_sample, x.size(1));
}

/// `positions` is [rows of x], and rows of the table are as wide as those of x.
void check_positions(std::string_view where, const PositionEmbeddingForward& args) {
  expect_shape(where, "positions", args.positions, {args.x.size(0)}, DType::int32);
  expect_shape(where, "table", args.table, {args.table.size(0), args.x.size(1)},
               args.table.dtype());
  require(args.dropout.rows_per_sample >= 1, where, "{} rows a sample: there should be at least 1",
          args.dropout.rows_per_sample);
}

/// What adding to `rows` rows of a table moves, or writing all of it.
std::int64_t table_bytes(const Tensor& dtable, bool accumulate, std::int64_t rows) {
  const std::int64_t held = dtable.size(0);
  return accumulate && held > 0 ? 2 * std::min(rows, held) * (dtable.bytes() / held)
                                : dtable.bytes();
}

}  // namespace

std::int64_t bytes_of(const TokenEmbeddingForward& args) {
  return args.tokens.bytes() + 2 * args.y.bytes();
}

std::int64_t bytes_of(const TokenEmbeddingBackward& args) {
  return args.order.bytes() + args.dy.bytes() +
         table_bytes(args.dtable, args.accumulate, args.dy.size(0));
}

std::int64_t bytes_of(const PositionEmbeddingForward& args) {
  const std::int64_t positions = args.positions.empty() ? 0 : args.positions.bytes();
  const std::int64_t used = args.dropout.rows_per_sample * args.x.size(1);
  return args.x.bytes() + args.y.bytes() + positions + used * size_of(args.table.dtype());
}

std::int64_t bytes_of(const PositionEmbeddingBackward& args) {
  return args.dy.bytes() + table_bytes(args.dtable, args.accumulate, args.rows_per_sample);
}

void token_embedding_forward(Stream& stream, const TokenEmbeddingForward& args) {
  constexpr std::string_view kWhere = "token_embedding_forward";
  expect_rank(kWhere, "tokens", args.tokens, 1, DType::int32);
  const DType dtype = compute_dtype(stream, kWhere, "table", args.table);
  expect_rank(kWhere, "table", args.table, 2, dtype);
  require(args.first_token >= 0, kWhere, "first_token is {}", args.first_token);
  expect_shape(kWhere, "y", args.y, {args.tokens.size(0), args.table.size(1)}, dtype);
  expect_disjoint(kWhere, "y", args.y, "table", args.table);
  dispatch(stream, args);
}

std::vector<std::int32_t> token_order(std::span<const std::int32_t> tokens) {
  // A sort by counting. next[t]: where the next row of token t goes.
  const std::size_t rows = tokens.size();
  const std::int32_t largest = rows == 0 ? 0 : std::ranges::max(tokens);
  std::vector<std::int32_t> next(static_cast<std::size_t>(largest) + 2);
  for (const std::int32_t token : tokens) {
    require(token >= 0, "token_order", "a token is {}", token);
    ++next[static_cast<std::size_t>(token) + 1];
  }
  std::partial_sum(next.begin(), next.end(), next.begin());
  std::vector<std::int32_t> order(2 * rows);
  for (std::size_t row = 0; row < rows; ++row) {
    const auto at = static_cast<std::size_t>(next[static_cast<std::size_t>(tokens[row])]++);
    order[at] = tokens[row];
    order[rows + at] = static_cast<std::int32_t>(row);
  }
  return order;
}

void token_embedding_backward(Stream& stream, const TokenEmbeddingBackward& args) {
  constexpr std::string_view kWhere = "token_embedding_backward";
  expect_rank(kWhere, "dy", args.dy, 2, compute_dtype(stream, kWhere, "dy", args.dy));
  expect_shape(kWhere, "order", args.order, {2, args.dy.size(0)}, DType::int32);
  require(args.first_token >= 0, kWhere, "first_token is {}", args.first_token);
  expect_rank(kWhere, "dtable", args.dtable, 2);
  expect_shape(kWhere, "dtable", args.dtable, {args.dtable.size(0), args.dy.size(1)});
  expect_disjoint(kWhere, "dtable", args.dtable, "dy", args.dy);
  dispatch(stream, args);
}

void position_embedding_forward(Stream& stream, const PositionEmbeddingForward& args) {
  constexpr std::string_view kWhere = "position_embedding_forward";
  const DType dtype = compute_dtype(stream, kWhere, "x", args.x);
  expect_rank(kWhere, "x", args.x, 2, dtype);
  expect_rank(kWhere, "table", args.table, 2, dtype);
  if (args.positions.empty()) {
    check_position_table(kWhere, args.x, args.dropout.rows_per_sample, "table", args.table);
  } else {
    check_positions(kWhere, args);
  }
  require(args.dropout.probability >= 0 && args.dropout.probability < 1, kWhere,
          "the dropout probability is {}: it should be in [0, 1)", args.dropout.probability);
  expect_shape(kWhere, "y", args.y, args.x.shape(), dtype);
  expect_same_or_disjoint(kWhere, "y", args.y, "x", args.x);
  expect_disjoint(kWhere, "y", args.y, "table", args.table);
  dispatch(stream, args);
}

void position_embedding_backward(Stream& stream, const PositionEmbeddingBackward& args) {
  if (!args.order.empty()) {
    token_embedding_backward(
        stream,
        {.order = args.order, .dy = args.dy, .dtable = args.dtable, .accumulate = args.accumulate});
    return;
  }
  constexpr std::string_view kWhere = "position_embedding_backward";
  expect_rank(kWhere, "dy", args.dy, 2, compute_dtype(stream, kWhere, "dy", args.dy));
  expect_rank(kWhere, "dtable", args.dtable, 2);
  check_position_table(kWhere, args.dy, args.rows_per_sample, "dtable", args.dtable);
  expect_disjoint(kWhere, "dtable", args.dtable, "dy", args.dy);
  dispatch(stream, args);
}

}  // namespace stagecraft
