// Attention on the CPU: queries in the lanes of vectors, keys one after the other. Pieces are
// ranges of queries of one head of one sample; a head is one range where there are heads enough.
#include "kernels/ops/attention.h"

#include <cmath>
#include <limits>

#include "kernels/cpu/ops/attention_block.h"
#include "kernels/cpu/primitives/block_product.h"
#include "kernels/cpu/primitives/block_transpose.h"

namespace stagecraft::cpu {
namespace {

struct ForwardScratch {
  /// `key_count`: the most that a piece looks at.
  ForwardScratch(ScratchLayout layout, std::int64_t size, std::int64_t key_count)
      : keys(layout.take<float>(size * key_count)),
        values(layout.take<float>(size * key_count)),
        queries(layout.take<float>(size * kQueryBlock)),
        sums(layout.take<float>(size * kQueryBlock)),
        scores(layout.take<float>(kKeyBlock * kQueryBlock)),
        factors(layout.take<float>(kKeyBlock * kQueryBlock)),
        words(layout.take<std::uint32_t>(ProbabilityDropout::kWords)),
        maximum(layout.take<float>(kQueryBlock)),
        sum(layout.take<float>(kQueryBlock)),
        correction(layout.take<float>(kQueryBlock)),
        bytes(layout.bytes()) {}

  float* keys;    // [keys, D]
  float* values;  // [keys, D]
  // [.][kQueryBlock], a query in a lane:
  float* queries;  // [D], divided by sqrt(D)
  float* sums;     // [D], the output before it is divided by `sum`
  float* scores;   // [keys]
  float* factors;  // [keys]
  std::uint32_t* words;
  float* maximum;
  float* sum;
  float* correction;
  std::int64_t bytes;
};

/// A range of queries of one head against all keys up to the diagonal.
class ForwardPiece {
 public:
  ForwardPiece(const AttentionForward& args, const ProbabilityDropout& dropout, const Head& head,
               const ForwardScratch& scratch)
      : args_(args), dropout_(dropout), head_(head), s_(scratch) {}

  void run(std::int64_t first_query, std::int64_t end_query) {
    pack_rows(qkv() + head_.row, 3 * head_.row, end_query, head_.size, 1, s_.keys, head_.size);
    pack_rows(qkv() + 2 * head_.row, 3 * head_.row, end_query, head_.size, 1, s_.values,
              head_.size);
    for (std::int64_t query = first_query; query < end_query; query += kQueryBlock) {
      run(QueryBlock(head_, query / kQueryBlock));
    }
  }

 private:
  const float* qkv() const { return args_.qkv.data<float>() + head_.first_qkv; }

  void run(const QueryBlock& queries) {
    start(queries);
    for (std::int64_t key = 0; key < queries.first + queries.count;) {
      const KeyBlock block(queries, key);
      add(queries, block);
      key = block.end();
    }
    finish(queries);
  }

  void start(const QueryBlock& queries) {
    pack_lanes(queries, head_.size, qkv() + queries.first * 3 * head_.row, 3 * head_.row,
               s_.queries);
    std::fill_n(s_.correction, kQueryBlock, score_factor(args_.shape));
    multiply_lanes(queries.rows(head_.size), s_.queries, s_.correction);
    std::fill_n(s_.maximum, kQueryBlock, -std::numeric_limits<float>::infinity());
    std::fill_n(s_.sum, kQueryBlock, 0.0F);
  }

  void add(const QueryBlock& queries, const KeyBlock& block) {
    const LaneRange range = block.range(queries);
    dot_with_lanes(head_, queries, block, s_.keys + block.first * head_.size, s_.queries,
                   s_.scores);
    mask_future(block, s_.scores);
    softmax_step(range, s_.scores, s_.maximum, s_.sum, s_.correction);
    if (dropout_.active()) {
      dropout_.factors(head_, queries, block, s_.words, s_.factors);
      multiply(range, s_.scores, s_.factors);
    }
    if (block.first > 0) {
      multiply_lanes({head_.size, range.first_lane, range.end_lane}, s_.sums, s_.correction);
    }
    add_values(queries, block);
  }

  void add_values(const QueryBlock& queries, const KeyBlock& block) {
    block_product({.rows = head_.size,
                   .lanes = queries.lanes - block.lane,
                   .depth = block.count,
                   .a = s_.values + block.first * head_.size,
                   .a_row = 1,
                   .a_column = head_.size,
                   .b = s_.scores + block.lane,
                   .b_row = kQueryBlock,
                   .c = s_.sums + block.lane,
                   .c_row = kQueryBlock,
                   .accumulate = block.first > 0});
  }

  void finish(const QueryBlock& queries) {
    float* const lse = args_.lse.data<float>() + queries.first +
                       (head_.sample * args_.shape.heads + head_.local_head) * head_.sequence;
    for (std::int64_t lane = 0; lane < queries.count; ++lane) {
      lse[lane] = s_.maximum[lane] + std::log(s_.sum[lane]);
    }
    for (std::int64_t lane = 0; lane < queries.lanes; ++lane) {
      s_.correction[lane] = 1.0F / s_.sum[lane];
    }
    multiply_lanes(queries.rows(head_.size), s_.sums, s_.correction);
    block_transpose(s_.sums, kQueryBlock, head_.size, queries.count,
                    args_.out.data<float>() + head_.first + queries.first * head_.row, head_.row);
  }

  const AttentionForward& args_;
  const ProbabilityDropout& dropout_;
  const Head& head_;
  const ForwardScratch& s_;
};

}  // namespace

void attention_forward(Stream& stream, const AttentionForward& args) {
  const AttentionShape& shape = args.shape;
  const ProbabilityDropout dropout(shape);
  const TokenRanges ranges(shape);
  const ThreadScratch memory(
      stream, ranges.pieces,
      ForwardScratch(ScratchLayout(), shape.head_size, shape.sequence).bytes);
  for_each_piece(stream, ranges.pieces, [&](std::int64_t piece) {
    const Head head(shape, piece / ranges.per_head);
    const ForwardScratch scratch(memory.mine(), shape.head_size, shape.sequence);
    const std::int64_t range = ranges.per_head - 1 - piece % ranges.per_head;  // the longest first
    const std::int64_t first_query = range * ranges.piece_tokens;
    ForwardPiece(args, dropout, head, scratch)
        .run(first_query, std::min(shape.sequence, first_query + ranges.piece_tokens));
  });
}

}  // namespace stagecraft::cpu
