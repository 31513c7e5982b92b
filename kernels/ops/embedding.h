// Token and position embeddings. Tables and rows hold the same, float32 or bfloat16; the gradient
// of a table is float32.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"
#include "kernels/ops/access.h"
#include "kernels/ops/elementwise.h"

namespace stagecraft {

/// y[r] = table[tokens[r] - first_token], or zero where the table does not hold that token (another
/// rank of the vocabulary-parallel table does).
struct TokenEmbeddingForward {
  Tensor tokens;  // [rows] int32, each >= 0
  Tensor table;   // [local vocabulary, h]
  std::int64_t first_token = 0;
  Tensor y;  // [rows, h]
};
template <>
inline constexpr auto kTensors<TokenEmbeddingForward> =
    std::tuple(reads(&TokenEmbeddingForward::tokens), reads(&TokenEmbeddingForward::table),
               writes(&TokenEmbeddingForward::y));
/// Of the table the rows that are looked up.
std::int64_t bytes_of(const TokenEmbeddingForward& args);
void token_embedding_forward(Stream& stream, const TokenEmbeddingForward& args);

/// The rows of a micro-batch by their tokens, each >= 0, as [2, rows]: the tokens in ascending
/// order, then the row of each; rows of one token ascend. Whoever reads the tokens makes it beside
/// other work of the device, which so has nothing to sort.
std::vector<std::int32_t> token_order(std::span<const std::int32_t> tokens);

/// dtable[token of r - first_token] += dy[r], rows of a token in ascending order; tokens of other
/// ranks are passed over.   +=, or after a zero fill without accumulate
struct TokenEmbeddingBackward {
  Tensor order;  // [2, rows] int32, as token_order() makes it
  Tensor dy;     // [rows, h]
  std::int64_t first_token = 0;
  Tensor dtable;  // [local vocabulary, h]
  bool accumulate = true;
};
template <>
inline constexpr auto kTensors<TokenEmbeddingBackward> =
    std::tuple(reads(&TokenEmbeddingBackward::order), reads(&TokenEmbeddingBackward::dy),
               accumulates(&TokenEmbeddingBackward::dtable));
/// With accumulate, of the table a row for each of dy's, if it has so many: the most, since which
/// tokens occur is known to the device alone.
std::int64_t bytes_of(const TokenEmbeddingBackward& args);
void token_embedding_backward(Stream& stream, const TokenEmbeddingBackward& args);

/// y = dropout(x + table[position of row]) for x [samples * T, h]; the position is
/// `positions`[row], or row % T without them. y may be x.
struct PositionEmbeddingForward {
  Tensor x;               // [samples * T, h]
  Tensor table;           // [at least T, h]; with positions, a row for each of them
  Tensor positions = {};  // [samples * T] int32, each a row of the table, or empty
  Dropout dropout;        // rows_per_sample is T
  Tensor y;               // [samples * T, h]
};
template <>
inline constexpr auto kTensors<PositionEmbeddingForward> =
    std::tuple(reads(&PositionEmbeddingForward::x), reads(&PositionEmbeddingForward::table),
               reads(&PositionEmbeddingForward::positions), writes(&PositionEmbeddingForward::y));
/// Of the table T rows.
std::int64_t bytes_of(const PositionEmbeddingForward& args);
void position_embedding_forward(Stream& stream, const PositionEmbeddingForward& args);

/// dtable[t] (+)= sum over samples of dy[s * T + t], samples in ascending order; rows of dtable
/// beyond T get nothing (zero without accumulate). With positions: token_embedding_backward with
/// order = token_order(positions). dy is the gradient after the dropout's backward.
struct PositionEmbeddingBackward {
  Tensor dy;  // [samples * T, h]
  std::int64_t rows_per_sample = 1;
  Tensor order = {};  // [2, samples * T] int32, of the positions, or empty
  Tensor dtable;      // [at least T, h]; with order, a row for each position
  bool accumulate = true;
};
template <>
inline constexpr auto kTensors<PositionEmbeddingBackward> =
    std::tuple(reads(&PositionEmbeddingBackward::dy), reads(&PositionEmbeddingBackward::order),
               accumulates(&PositionEmbeddingBackward::dtable));
/// With accumulate, of the table T rows.
std::int64_t bytes_of(const PositionEmbeddingBackward& args);
void position_embedding_backward(Stream& stream, const PositionEmbeddingBackward& args);

}  // namespace stagecraft
