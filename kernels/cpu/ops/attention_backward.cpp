// dV = P'^T dO, dP' = dO V^T, dS = P (dP - delta) with delta = rowsum(dO O), dQ = dS K, dK = dS^T Q
// (Dao et al., arXiv 2205.14135, appendix B.4); P is exp(S - lse), P' and dP are after and
// before dropout. Pieces are ranges of keys, cut as the forward cuts queries; where a head is
// several, its dQ is summed over them in ascending order.
#include "kernels/cpu/ops/attention_block.h"
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

/// Where a piece puts its part of the gradient of the queries.
struct QueryGradient {
  float* rows = nullptr;  // that of the head's first query
  std::int64_t row = 0;   // floats between them
  float factor = 1;
};

/// All queries of a head against some of its ranges of keys.
class BackwardPiece {
 public:
  /// Rows of `dq` before the first key are left alone.
  BackwardPiece(const AttentionBackward& args, const ProbabilityDropout& dropout, const Head& head,
                const BackwardScratch& scratch, const QueryGradient& dq)
      : args_(args),
        dropout_(dropout),
        head_(head),
        s_(scratch),
        dq_(dq),
        range_tokens_(TokenRanges(args.shape).tokens),
        padded_(whole_vectors(head.size)) {}

  void run(std::int64_t first_key, std::int64_t end_key) {
    first_key_ = first_key;
    pack_rows(row(first_key, 1), 3 * head_.row, end_key - first_key, head_.size, 1, s_.keys,
              head_.size);
    pack_rows(row(first_key, 2), 3 * head_.row, end_key - first_key, head_.size, 1, s_.values,
              head_.size);
    std::fill_n(s_.dkeys, (end_key - first_key) * padded_, 0.0F);
    std::fill_n(s_.dvalues, (end_key - first_key) * padded_, 0.0F);
    std::fill_n(s_.query_factor, kQueryBlock, score_factor(args_.shape));
    std::fill_n(s_.dquery_factor, kQueryBlock, dq_.factor);
    for (std::int64_t number = first_key / kQueryBlock; number < query_blocks(head_.sequence);
         ++number) {
      add(QueryBlock(head_, number), end_key);
    }
    write_rows(s_.dkeys, end_key - first_key, 1);
    write_rows(s_.dvalues, end_key - first_key, 2);
  }

 private:
  /// Row `token` of q, k or v (part 0, 1, 2).
  const float* row(std::int64_t token, int part) const {
    return args_.qkv.data<float>() + head_.first_qkv + (3 * token + part) * head_.row;
  }

  void add(const QueryBlock& queries, std::int64_t end_key) {
    start(queries);
    const std::int64_t end = std::min(end_key, queries.first + queries.count);
    for (std::int64_t key = first_key_; key < end; key += range_tokens_) {
      add_range(queries, key, std::min(end, key + range_tokens_));
    }
    multiply_lanes(queries.rows(head_.size), s_.dqueries, s_.dquery_factor);
    block_transpose(s_.dqueries, kQueryBlock, head_.size, queries.count,
                    dq_.rows + queries.first * dq_.row, dq_.row);
  }

  void add_range(const QueryBlock& queries, std::int64_t first_key, std::int64_t end_key) {
    float* const share = first_key == first_key_ ? s_.dqueries : s_.share;
    for (std::int64_t key = first_key; key < end_key;) {
      const KeyBlock block(queries, key);
      differentiate(queries, block);
      add_to_keys(queries, block, s_.probability, s_.dout_rows, s_.dvalues);
      add_to_keys(queries, block, s_.dscores, s_.query_rows, s_.dkeys);
      add_to_queries(queries, block, share, key > first_key);
      key = block.end();
    }
    if (first_key > first_key_) {
      cpu::add(queries.rows(head_.size), s_.dqueries, s_.share);
    }
  }

  void start(const QueryBlock& queries) {
    const float* const dout = args_.dout.data<float>() + head_.first + queries.first * head_.row;
    pack_lanes(queries, head_.size, row(queries.first, 0), 3 * head_.row, s_.queries);
    multiply_lanes(queries.rows(head_.size), s_.queries, s_.query_factor);
    pack_lanes(queries, head_.size, dout, head_.row, s_.dout);
    pack_rows(row(queries.first, 0), 3 * head_.row, queries.count, head_.size, *s_.query_factor,
              s_.query_rows, padded_);
    pack_rows(dout, head_.row, queries.count, head_.size, 1, s_.dout_rows, padded_);
    const float* const lse = args_.lse.data<float>() + queries.first +
                             (head_.sample * args_.shape.heads + head_.local_head) * head_.sequence;
    std::fill_n(std::copy_n(lse, queries.count, s_.lse), queries.lanes - queries.count, 0.0F);
    start_delta(queries, dout);
  }

  void start_delta(const QueryBlock& queries, const float* dout) {
    const float* const out = args_.out.data<float>() + head_.first + queries.first * head_.row;
    std::fill_n(s_.delta, kQueryBlock, 0.0F);
    for (std::int64_t lane = 0; lane < queries.count; ++lane) {
      const float* const dout_row = dout + lane * head_.row;
      const float* const out_row = out + lane * head_.row;
      s_.delta[lane] =
          lane_sum<float>(head_.size, [=](std::int64_t d) { return dout_row[d] * out_row[d]; });
    }
  }

  /// P' and dS of the block.
  void differentiate(const QueryBlock& queries, const KeyBlock& block) {
    const LaneRange range = block.range(queries);
    const std::int64_t first = (block.first - first_key_) * head_.size;
    dot_with_lanes(head_, queries, block, s_.keys + first, s_.queries, s_.probability);
    mask_future(block, s_.probability);
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

  void write_rows(const float* from, std::int64_t count, int part) {
    float* to = args_.dqkv.data<float>() + head_.first_qkv + (3 * first_key_ + part) * head_.row;
    for (std::int64_t key = 0; key < count; ++key, from += padded_, to += 3 * head_.row) {
      std::copy_n(from, head_.size, to);
    }
  }

  const AttentionBackward& args_;
  const ProbabilityDropout& dropout_;
  const Head& head_;
  const BackwardScratch& s_;
  const QueryGradient& dq_;
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
    const float* const of_head = shares + piece * ranges.per_head * stride;
    float* const dq = args.dqkv.data<float>() + head.first_qkv;
    for (std::int64_t query = 0; query < head.sequence; ++query) {
      add_shares(of_head + query * head.size, stride, query / ranges.tokens + 1, head.size,
                 score_factor(shape), dq + query * 3 * head.row);
    }
  });
}

}  // namespace

void attention_backward(Stream& stream, const AttentionBackward& args) {
  const AttentionShape& shape = args.shape;
  const ProbabilityDropout dropout(shape);
  const TokenRanges ranges(shape);
  const std::int64_t stride = shape.sequence * shape.head_size;
  const bool shared = ranges.per_head > 1;
  const Tensor shares(stream.memory(), {shared ? ranges.pieces * stride : 0}, DType::float32,
                      MemoryLabel::workspace);
  const ThreadScratch memory(
      stream, ranges.pieces,
      BackwardScratch(ScratchLayout(), shape.head_size, ranges.piece_tokens).bytes);
  for_each_piece(stream, ranges.pieces, [&](std::int64_t piece) {
    const Head head(shape, piece / ranges.per_head);
    const BackwardScratch scratch(memory.mine(), shape.head_size, ranges.piece_tokens);
    const auto dq = shared ? QueryGradient{shares.data<float>() + piece * stride, head.size, 1}
                           : QueryGradient{args.dqkv.data<float>() + head.first_qkv, 3 * head.row,
                                           score_factor(shape)};
    const std::int64_t first_key = piece % ranges.per_head * ranges.piece_tokens;
    BackwardPiece(args, dropout, head, scratch, dq)
        .run(first_key, std::min(shape.sequence, first_key + ranges.piece_tokens));
  });
  if (shared) {
    add_shares(stream, args, ranges, shares.data<float>());
  }
}

}  // namespace stagecraft::cpu
