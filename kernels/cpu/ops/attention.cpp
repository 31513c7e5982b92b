// Attention on the CPU: queries in the lanes of vectors, keys one after the other. Pieces are
// ranges of queries of one head of one sample; a head is one range where there are heads enough.
#include "kernels/ops/attention.h"

#include <cmath>
#include <limits>

#include "kernels/cpu/ops/attention_keys.h"
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

/// A range of queries of one head against the keys that they have.
class ForwardPiece {
 public:
  ForwardPiece(const AttentionForward& args, const ProbabilityDropout& dropout, const Head& head,
               const ForwardScratch& scratch)
      : args_(args),
        dropout_(dropout),
        head_(head),
        attended_(args.shape, args.keys, args.lengths, head.sample),
        s_(scratch) {}

  void run(std::int64_t first_query, std::int64_t end_query) {
    pack_keys(first_query, end_query);
    for (std::int64_t query = first_query; query < end_query; query += kQueryBlock) {
      run(QueryBlock(head_, query / kQueryBlock));
    }
  }

 private:
  /// Packs keys and values up to the last that a query of the range has.
  void pack_keys(std::int64_t first_query, std::int64_t end_query) {
    std::int64_t end = 0;
    for (std::int64_t query = first_query; query < end_query; query += kQueryBlock) {
      end = std::max(end, attended_.of(QueryBlock(head_, query / kQueryBlock)).end);
    }
    const auto k = args_.k.matrix<float>();
    const auto v = args_.v.matrix<float>();
    pack_rows(head_.key_row(k, 0), k.row_stride, end, head_.size, 1, s_.keys, head_.size);
    pack_rows(head_.key_row(v, 0), v.row_stride, end, head_.size, 1, s_.values, head_.size);
  }

  void run(const QueryBlock& queries) {
    start(queries);
    const KeyRange range = attended_.of(queries);
    for (std::int64_t key = range.first; key < range.end;) {
      const KeyBlock block = attended_.block(queries, key, range);
      add(queries, block, key > range.first);
      key = block.end();
    }
    if (range.end == 0) {
      std::fill_n(s_.sums, head_.size * kQueryBlock, 0.0F);
    }
    finish(queries);
  }

  void start(const QueryBlock& queries) {
    const auto q = args_.q.matrix<float>();
    pack_lanes(queries, head_.size, head_.query_row(q, queries.first), q.row_stride, s_.queries);
    std::fill_n(s_.correction, kQueryBlock, score_factor(args_.shape));
    multiply_lanes(queries.rows(head_.size), s_.queries, s_.correction);
    // A number: a maximum of no keys yet can be subtracted from a score of -infinity.
    std::fill_n(s_.maximum, kQueryBlock, std::numeric_limits<float>::lowest());
    std::fill_n(s_.sum, kQueryBlock, 0.0F);
  }

  void add(const QueryBlock& queries, const KeyBlock& block, bool accumulate) {
    const LaneRange range = block.range(queries);
    dot_with_lanes(head_, queries, block, s_.keys + block.first * head_.size, s_.queries,
                   s_.scores);
    attended_.mask(queries, block, s_.scores);
    softmax_step(range, s_.scores, s_.maximum, s_.sum, s_.correction);
    if (dropout_.active()) {
      dropout_.factors(head_, queries, block, s_.words, s_.factors);
      multiply(range, s_.scores, s_.factors);
    }
    if (accumulate) {
      multiply_lanes({head_.size, range.first_lane, range.end_lane}, s_.sums, s_.correction);
    }
    add_values(queries, block, accumulate);
  }

  void add_values(const QueryBlock& queries, const KeyBlock& block, bool accumulate) {
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
                   .accumulate = accumulate});
  }

  void finish(const QueryBlock& queries) {
    float* const lse = args_.lse.data<float>() + queries.first +
                       (head_.sample * args_.shape.heads + head_.local_head) * head_.sequence;
    for (std::int64_t lane = 0; lane < queries.count; ++lane) {
      lse[lane] = s_.maximum[lane] + std::log(s_.sum[lane]);
    }
    for (std::int64_t lane = 0; lane < queries.lanes; ++lane) {
      s_.correction[lane] = s_.sum[lane] == 0 ? 0.0F : 1.0F / s_.sum[lane];
    }
    multiply_lanes(queries.rows(head_.size), s_.sums, s_.correction);
    const auto out = args_.out.matrix<float>();
    block_transpose(s_.sums, kQueryBlock, head_.size, queries.count,
                    head_.query_row(out, queries.first), out.row_stride);
  }

  const AttentionForward& args_;
  const ProbabilityDropout& dropout_;
  const Head& head_;
  AttendedKeys attended_;
  const ForwardScratch& s_;
};

}  // namespace

void attention_forward(Stream& stream, const AttentionForward& args) {
  const AttentionShape& shape = args.shape;
  const ProbabilityDropout dropout(shape);
  const TokenRanges ranges(shape, shape.heads);
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
