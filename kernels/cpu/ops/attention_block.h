// What both directions of attention share: how a head lies in memory, how its scores are cut into
// blocks, and the block's scores and dropout.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/primitives/attention_softmax.h"
#include "kernels/cpu/primitives/vector.h"
#include "kernels/cpu/runtime/scratch.h"
#include "kernels/ops/attention.h"

namespace stagecraft::cpu {

/// One head of one sample, and where its rows lie in matrices of [samples * T, heads * D].
struct Head {
  Head(const AttentionShape& shape, std::int64_t number)  // number = sample * heads + local head
      : sample(number / shape.heads),
        local_head(number % shape.heads),
        key_head(local_head / (shape.heads / shape.key_heads())),
        sequence(shape.sequence),
        size(shape.head_size) {}

  /// The head's part of the row of `token` in q, out or their gradients.
  float* query_row(const MatrixView<float>& rows, std::int64_t token) const {
    return rows.row(sample * sequence + token) + local_head * size;
  }
  /// The same in k, v or their gradients.
  float* key_row(const MatrixView<float>& rows, std::int64_t token) const {
    return rows.row(sample * sequence + token) + key_head * size;
  }

  std::int64_t sample;
  std::int64_t local_head;
  std::int64_t key_head;
  std::int64_t sequence;
  std::int64_t size;  // D
};

/// Scores are Q K^T times this: 1 / sqrt(D).
float score_factor(const AttentionShape& shape);

/// Queries first .. first + count - 1 of a head, in lanes 0 .. count - 1; the lanes up to `lanes`
/// are filled with zeros.
struct QueryBlock {
  QueryBlock(const Head& head, std::int64_t number)
      : first(number * kQueryBlock),
        count(std::min(kQueryBlock, head.sequence - first)),
        lanes(whole_vectors(count)) {}
  LaneRange rows(std::int64_t count_of_rows) const { return {count_of_rows, 0, lanes}; }

  std::int64_t first;
  std::int64_t count;
  std::int64_t lanes;
};

inline std::int64_t query_blocks(std::int64_t sequence) {
  return (sequence + kQueryBlock - 1) / kQueryBlock;
}

/// Keys first .. first + count - 1 against the queries from lane `lane` on: those before are above
/// the diagonal with all these keys.
struct KeyBlock {
  /// The block from `first_key` on, a multiple of kKeyBlock before the queries and of
  /// kDiagonalKeys among them, up to `end_key`. Below the diagonal blocks are square; on it they
  /// are low, so that little above it is computed. Without `causal` there is no diagonal.
  KeyBlock(const QueryBlock& queries, std::int64_t first_key, std::int64_t end_key, bool causal)
      : first(first_key),
        on_diagonal(causal && first >= queries.first),
        count(std::min(on_diagonal ? kDiagonalKeys : kKeyBlock, end_key - first)),
        lane(on_diagonal ? first - queries.first : 0) {}
  std::int64_t end() const { return first + count; }
  LaneRange range(const QueryBlock& queries) const { return {count, lane, queries.lanes}; }

  static constexpr std::int64_t kDiagonalKeys = 16;
  static_assert(kDiagonalKeys % kVectorLanes == 0 && kKeyBlock == kQueryBlock);

  std::int64_t first;
  bool on_diagonal;
  std::int64_t count;
  std::int64_t lane;
};

/// How the tokens of a head are cut, a function of T alone, so that a sum over ranges has the same
/// bits whatever heads and samples are computed beside each other; and whether the ranges of a head
/// are pieces of work of their own, which they are only where heads are few, since each piece packs
/// its head's keys and values.
struct TokenRanges {
  /// `heads_of_sample`: those of q or those of k and v.
  TokenRanges(const AttentionShape& shape, std::int64_t heads_of_sample) {
    constexpr std::int64_t kHeads = 32;
    constexpr std::int64_t kMaxRanges = 8;
    const std::int64_t heads = shape.samples * heads_of_sample;
    const std::int64_t blocks = query_blocks(shape.sequence);
    const std::int64_t wanted = std::min(kMaxRanges, blocks);
    tokens = (blocks + wanted - 1) / wanted * kQueryBlock;
    per_head = heads < kHeads ? (shape.sequence + tokens - 1) / tokens : 1;
    piece_tokens = per_head > 1 ? tokens : shape.sequence;
    pieces = heads * per_head;
  }
  std::int64_t tokens = 0;  // in each range but the last
  std::int64_t per_head = 0;
  std::int64_t piece_tokens = 0;
  std::int64_t pieces = 0;
};

/// The rows `from` of a query block, `from_row` floats apart, as [D][kQueryBlock] with one query in
/// a lane.
void pack_lanes(const QueryBlock& queries, std::int64_t size, const float* from,
                std::int64_t from_row, float* to);

/// to[i][d] = factor * from[i][d] for `count` rows of `size` numbers; what is left of each row of
/// `to` becomes 0.
void pack_rows(const float* from, std::int64_t from_row, std::int64_t count, std::int64_t size,
               float factor, float* to, std::int64_t to_row);

/// to[key][lane] = rows[key] . packed[.][lane] over the block; rows: [block.count, D].
void dot_with_lanes(const Head& head, const QueryBlock& queries, const KeyBlock& block,
                    const float* rows, const float* packed, float* to);

/// Which probabilities of an attention dropout keeps.
class ProbabilityDropout {
 public:
  explicit ProbabilityDropout(const AttentionShape& shape);

  bool active() const { return shape_.dropout.probability > 0; }
  /// factors[key][lane] = 1 / (1 - probability) where (query, key) is kept, 0 where it is dropped.
  /// `words` is memory to work in, of kWords.
  void factors(const Head& head, const QueryBlock& queries, const KeyBlock& block,
               std::uint32_t* words, float* factors) const;

  static constexpr std::int64_t kWords = (kKeyBlock + 4) * kQueryBlock;

 private:
  AttentionShape shape_;
  std::uint32_t threshold_;
  float factor_;
};

}  // namespace stagecraft::cpu
