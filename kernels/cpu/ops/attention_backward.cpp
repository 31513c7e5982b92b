// dV = P'^T dO, dP' = dO V^T, dS = P (dP - delta) with delta = rowsum(dO O), dQ = dS K, dK = dS^T Q
// (Dao et al., arXiv 2205.14135, appendix B.4); P is exp(S - lse), P' and dP are after and
// before dropout. Pieces are ranges of keys, cut as the forward cuts queries; where a head is
// several, its dQ is summed over them in ascending order.
#include <limits>

#include "kernels/cpu/ops/attention_keys.h"
#include "kernels/cpu/primitives/block_product.h"
#include "kernels/cpu/primitives/block_transpose.h"
#include "kernels/cpu/primitives/lane_sum.h"
#include "kernels/ops/attention.h"

namespace stagecraft::cpu {
namespace {

struct BackwardScratch {
  BackwardScratch(ScratchLayout layout, std::int64_t size, std::int64_t key_count)
      : keys(layout.take<float>(size * key_count)),
        values(layout.take<float>(size * key_count)),
        queries(layout.take<float>(size * kQueryBlock)),
        dout(layout.take<float>(size * kQueryBlock)),
        dqueries(layout.take<float>(size * kQueryBlock)),
        share(layout.take<float>(size * kQueryBlock)),
        query_rows(layout.take<float>(whole_vectors(size) * kQueryBlock)),
        dout_rows(layout.take<float>(whole_vectors(size) * kQueryBlock)),
        probability(layout.take<float>(kKeyBlock * kQueryBlock)),
        dscores(layout.take<float>(kKeyBlock * kQueryBlock)),
        factors(layout.take<float>(kKeyBlock * kQueryBlock)),
        words(layout.take<std::uint32_t>(ProbabilityDropout::kWords)),
        lse(layout.take<float>(kQueryBlock)),
        delta(layout.take<float>(kQueryBlock)),
        query_factor(layout.take<float>(kQueryBlock)),
        dquery_factor(layout.take<float>(kQueryBlock)),
        dkeys(layout.take<float>(whole_vectors(size) * key_count)),
        dvalues(layout.take<float>(whole_vectors(size) * key_count)),
        bytes(layout.bytes()) {}

  float* keys;    // [keys of the range, D]
  float* values;  // [keys of the range, D]
  // [.][kQueryBlock], a query in a lane:
  float* queries;      // [D], divided by sqrt(D)
  float* dout;         // [D]
  float* dqueries;     // [D], not yet divided by sqrt(D)
  float* share;        // [D], one range's share of dqueries
  float* query_rows;   // [kQueryBlock][D to whole vectors], divided by sqrt(D)
  float* dout_rows;    // the same
  float* probability;  // [keys]
  float* dscores;      // [keys]
  float* factors;      // [keys]
  std::uint32_t* words;
  float* lse;
  float* delta;
  float* query_factor;
  float* dquery_factor;
  float* dkeys;    // [keys of the range][D to whole vectors]
  float* dvalues;  // the same
  std::int64_t bytes;
};

/// Where the gradients of the queries of each head go.
struct QueryGradients {
  MatrixView<float> rows;  // of the first head's first query
  std::int64_t head = 0;   // floats from one head to the next
  float factor = 1;
};

/// All queries of the heads that share a head of keys and values, against some of its ranges of
/// keys.
class BackwardPiece {
 public:
  /// `number` = sample * kv_heads + head of keys. Rows of `dq` whose keys all lie before the
  /// piece's are left alone.
  BackwardPiece(const AttentionBackward& args, const ProbabilityDropout& dropout,
                std::int64_t number, const BackwardScratch& scratch, const QueryGradients& dq)
      : args_(args),
        dropout_(dropout),
        heads_per_key_head_(args.shape.heads / args.shape.key_heads()),
        head_(args.shape, number * heads_per_key_head_),
        attended_(args.shape, args.keys, args.lengths, head_.sample),
        s_(scratch),
        dq_(dq),
        range_tokens_(TokenRanges(args.shape, args.shape.key_heads()).tokens),
        padded_(whole_vectors(head_.size)) {}

  void run(std::int64_t first_key, std::int64_t end_key) {
    first_key_ = first_key;
    start_keys(end_key - first_key);
    for (std::int64_t i = 0; i < heads_per_key_head_; ++i) {
      add_head(end_key);
      ++head_.local_head;
      dq_.rows.data += dq_.head;
    }
    write_rows(s_.dkeys, end_key - first_key, args_.dk);
    write_rows(s_.dvalues, end_key - first_key, args_.dv);
  }

 private:
  void start_keys(std::int64_t count) {
    const auto k = args_.k.matrix<float>();
    const auto v = args_.v.matrix<float>();
    pack_rows(head_.key_row(k, first_key_), k.row_stride, count, head_.size, 1, s_.keys,
              head_.size);
    pack_rows(head_.key_row(v, first_key_), v.row_stride, count, head_.size, 1, s_.values,
              head_.size);
    std::fill_n(s_.dkeys, count * padded_, 0.0F);
    std::fill_n(s_.dvalues, count * padded_, 0.0F);
    std::fill_n(s_.query_factor, kQueryBlock, score_factor(args_.shape));
    std::fill_n(s_.dquery_factor, kQueryBlock, dq_.factor);
  }

  void add_head(std::int64_t end_key) {
    for (std::int64_t number = 0; number < query_blocks(head_.sequence); ++number) {
      const QueryBlock queries(head_, number);
      const KeyRange range = attended_.of(queries);
      if (range.end > first_key_ || first_key_ == 0) {
        add(queries, {range.first, std::min(range.end, end_key)});
      }
    }
  }

  void add(const QueryBlock& queries, const KeyRange& range) {
    start(queries);
    std::int64_t first_key = first_key_;
    do {
      add_range(queries,
                {std::max(range.first, first_key), std::min(range.end, first_key + range_tokens_)},
                first_key == first_key_);
      first_key += range_tokens_;
    } while (first_key < range.end);
    multiply_lanes(queries.rows(head_.size), s_.dqueries, s_.dquery_factor);
    block_transpose(s_.dqueries, kQueryBlock, head_.size, queries.count,
                    dq_.rows.row(queries.first), dq_.rows.row_stride);
  }

  /// The keys that the queries have of one range; there may be none.
  void add_range(const QueryBlock& queries, const KeyRange& range, bool first) {
    float* const share = first ? s_.dqueries : s_.share;
    if (range.first >= range.end) {
      std::fill_n(share, head_.size * kQueryBlock, 0.0F);
    }
    for (std::int64_t key = range.first; key < range.end;) {
      const KeyBlock block = attended_.block(queries, key, range);
      differentiate(queries, block);
      add_to_keys(queries, block, s_.probability, s_.dout_rows, s_.dvalues);
      add_to_keys(queries, block, s_.dscores, s_.query_rows, s_.dkeys);
      add_to_queries(queries, block, share, key > range.first);
      key = block.end();
    }
    if (!first) {
      cpu::add(queries.rows(head_.size), s_.dqueries, s_.share);
    }
  }

  void start(const QueryBlock& queries) {
    const auto q = args_.q.matrix<float>();
    const auto dout = args_.dout.matrix<float>();
    const float* const q_row = head_.query_row(q, queries.first);
    const float* const dout_row = head_.query_row(dout, queries.first);
    pack_lanes(queries, head_.size, q_row, q.row_stride, s_.queries);
    multiply_lanes(queries.rows(head_.size), s_.queries, s_.query_factor);
    pack_lanes(queries, head_.size, dout_row, dout.row_stride, s_.dout);
    pack_rows(q_row, q.row_stride, queries.count, head_.size, *s_.query_factor, s_.query_rows,
              padded_);
    pack_rows(dout_row, dout.row_stride, queries.count, head_.size, 1, s_.dout_rows, padded_);
    const float* const lse = args_.lse.data<float>() + queries.first +
                             (head_.sample * args_.shape.heads + head_.local_head) * head_.sequence;
    std::fill_n(s_.lse, kQueryBlock, 0.0F);
    // A query without keys has lse = -infinity, which no score of -infinity is subtracted from.
    constexpr float kNoKeys = -std::numeric_limits<float>::infinity();
    std::replace_copy(lse, lse + queries.count, s_.lse, kNoKeys, 0.0F);
    start_delta(queries);
  }

  void start_delta(const QueryBlock& queries) {
    const auto dout = args_.dout.matrix<float>();
    const auto out = args_.out.matrix<float>();
    std::fill_n(s_.delta, kQueryBlock, 0.0F);
    for (std::int64_t lane = 0; lane < queries.count; ++lane) {
      const float* const dout_row = head_.query_row(dout, queries.first + lane);
      const float* const out_row = head_.query_row(out, queries.first + lane);
      s_.delta[lane] =
          lane_sum<float>(head_.size, [=](std::int64_t d) { return dout_row[d] * out_row[d]; });
    }
  }

  /// P' and dS of the block.
  void differentiate(const QueryBlock& queries, const KeyBlock& block) {
    const LaneRange range = block.range(queries);
    const std::int64_t first = (block.first - first_key_) * head_.size;
    dot_with_lanes(head_, queries, block, s_.keys + first, s_.queries, s_.probability);
    attended_.mask(queries, block, s_.probability);
    probabilities(range, s_.probability, s_.lse);
    dot_with_lanes(head_, queries, block, s_.values + first, s_.dout, s_.dscores);
    if (dropout_.active()) {
      dropout_.factors(head_, queries, block, s_.words, s_.factors);
      multiply(range, s_.dscores, s_.factors);
    }
    score_gradient(range, s_.probability, s_.dscores, s_.delta);
    if (dropout_.active()) {
      multiply(range, s_.probability, s_.factors);
    }
  }

  /// to[key] += sum over queries of weights[key][query] * rows[query].
  void add_to_keys(const QueryBlock& queries, const KeyBlock& block, const float* weights,
                   const float* rows, float* to) const {
    block_product({.rows = block.count,
                   .lanes = padded_,
                   .depth = queries.count - block.lane,
                   .a = weights + block.lane,
                   .a_row = kQueryBlock,
                   .a_column = 1,
                   .b = rows + block.lane * padded_,
                   .b_row = padded_,
                   .c = to + (block.first - first_key_) * padded_,
                   .c_row = padded_,
                   .accumulate = true});
  }

  void add_to_queries(const QueryBlock& queries, const KeyBlock& block, float* to,
                      bool accumulate) const {
    block_product({.rows = head_.size,
                   .lanes = queries.lanes - block.lane,
                   .depth = block.count,
                   .a = s_.keys + (block.first - first_key_) * head_.size,
                   .a_row = 1,
                   .a_column = head_.size,
                   .b = s_.dscores + block.lane,
                   .b_row = kQueryBlock,
                   .c = to + block.lane,
                   .c_row = kQueryBlock,
                   .accumulate = accumulate});
  }

  void write_rows(const float* from, std::int64_t count, const Tensor& to) {
    const auto rows = to.matrix<float>();
    for (std::int64_t key = 0; key < count; ++key, from += padded_) {
      std::copy_n(from, head_.size, head_.key_row(rows, first_key_ + key));
    }
  }

  const AttentionBackward& args_;
  const ProbabilityDropout& dropout_;
  std::int64_t heads_per_key_head_;
  Head head_;  // of queries, one after the other
  AttendedKeys attended_;
  const BackwardScratch& s_;
  QueryGradients dq_;  // of head_
  std::int64_t range_tokens_;
  std::int64_t padded_;  // D to whole vectors
  std::int64_t first_key_ = 0;
};

/// dq of one query = factor * the sum of its ranges' shares, in their order.
void add_shares(const float* shares, std::int64_t stride, std::int64_t count, std::int64_t size,
                float factor, float* dq) {
  std::copy_n(shares, size, dq);
  for (std::int64_t range = 1; range < count; ++range) {
#pragma omp simd
    for (std::int64_t d = 0; d < size; ++d) {
      dq[d] += shares[range * stride + d];
    }
  }
#pragma omp simd
  for (std::int64_t d = 0; d < size; ++d) {
    dq[d] *= factor;
  }
}

/// shares: [heads of all samples, ranges, T, D].
void add_shares(Stream& stream, const AttentionBackward& args, const TokenRanges& ranges,
                const float* shares) {
  const AttentionShape& shape = args.shape;
  const std::int64_t stride = shape.sequence * shape.head_size;
  for_each_piece(stream, shape.samples * shape.heads, [&](std::int64_t piece) {
    const Head head(shape, piece);
    const AttendedKeys attended(shape, args.keys, args.lengths, head.sample);
    const float* const of_head = shares + piece * ranges.per_head * stride;
    for (std::int64_t query = 0; query < head.sequence; ++query) {
      const KeyRange range = attended.of(QueryBlock(head, query / kQueryBlock));
      add_shares(of_head + query * head.size, stride,
                 std::max<std::int64_t>(1, parts_of(range.end, ranges.tokens)), head.size,
                 score_factor(shape), head.query_row(args.dq.matrix<float>(), query));
    }
  });
}

/// Where the piece for range `range` of the keys of head `number` puts the queries' gradients: into
/// the shares, if a head is several pieces.
QueryGradients query_gradients(const AttentionBackward& args, const TokenRanges& ranges,
                               std::int64_t number, std::int64_t range, const Tensor& shares) {
  const AttentionShape& shape = args.shape;
  const Head first(shape, number * (shape.heads / shape.key_heads()));
  if (ranges.per_head == 1) {
    const auto dq = args.dq.matrix<float>();
    return {{first.query_row(dq, 0), dq.row_stride}, first.size, score_factor(shape)};
  }
  const std::int64_t share = shape.sequence * shape.head_size;
  const std::int64_t head = first.sample * shape.heads + first.local_head;
  return {{shares.data<float>() + (head * ranges.per_head + range) * share, first.size},
          ranges.per_head * share,
          1};
}

}  // namespace

void attention_backward(Stream& stream, const AttentionBackward& args) {
  const AttentionShape& shape = args.shape;
  const ProbabilityDropout dropout(shape);
  const TokenRanges ranges(shape, shape.key_heads());
  const bool shared = ranges.per_head > 1;
  const std::int64_t shares_size =
      shared ? shape.samples * shape.heads * ranges.per_head * shape.sequence * shape.head_size : 0;
  const Tensor shares(stream.memory(), {shares_size}, DType::float32, MemoryLabel::workspace);
  const ThreadScratch memory(
      stream, ranges.pieces,
      BackwardScratch(ScratchLayout(), shape.head_size, ranges.piece_tokens).bytes);
  for_each_piece(stream, ranges.pieces, [&](std::int64_t piece) {
    const std::int64_t number = piece / ranges.per_head;
    const std::int64_t range = piece % ranges.per_head;
    const BackwardScratch scratch(memory.mine(), shape.head_size, ranges.piece_tokens);
    const std::int64_t first_key = range * ranges.piece_tokens;
    BackwardPiece(args, dropout, number, scratch,
                  query_gradients(args, ranges, number, range, shares))
        .run(first_key, std::min(shape.sequence, first_key + ranges.piece_tokens));
  });
  if (shared) {
    add_shares(stream, args, ranges, shares.data<float>());
  }
}

}  // namespace stagecraft::cpu
