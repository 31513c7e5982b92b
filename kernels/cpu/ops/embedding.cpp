#include "kernels/ops/embedding.h"

#include "kernels/cpu/ops/dropout.h"
#include "kernels/cpu/runtime/parallel.h"
#include "kernels/ops/dispatch.h"
#include "kernels/ops/elementwise.h"

namespace stagecraft::cpu {
namespace {

void add_to(const float* from, std::int64_t count, float* to) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    to[i] += from[i];
  }
}

/// sum[0..h) = dy[t] + dy[t + stride] + .., `samples` terms in ascending order.
void sum_samples(const float* dy, std::int64_t samples, std::int64_t stride, std::int64_t h,
                 float* sum) {
  std::fill_n(sum, h, 0.0F);
  for (std::int64_t s = 0; s < samples; ++s) {
    add_to(dy + s * stride, h, sum);
  }
}

}  // namespace

void token_embedding_forward(Stream& stream, const TokenEmbeddingForward& args) {
  const std::int64_t h = args.table.size(1);
  const std::int64_t held = args.table.size(0);
  const auto* tokens = args.tokens.data<std::int32_t>();
  const auto* table = args.table.data<float>();
  auto* y = args.y.data<float>();
  for_each_range(stream, args.tokens.size(0), rows_per_piece(h),
                 [&](std::int64_t r, std::int64_t end) {
                   for (; r < end; ++r) {
                     const std::int64_t at = tokens[r] - args.first_token;
                     if (at >= 0 && at < held) {
                       std::copy_n(table + at * h, h, y + r * h);
                     } else {
                       std::fill_n(y + r * h, h, 0.0F);
                     }
                   }
                 });
}

void token_embedding_backward(Stream& stream, const TokenEmbeddingBackward& args) {
  // Pieces are columns: one token may come in many rows, and its sum has the order of the rows.
  constexpr std::int64_t kColumns = 64;
  if (!args.accumulate) {
    dispatch(stream, FillZero{args.dtable});
  }
  const std::int64_t h = args.dtable.size(1);
  const std::int64_t count = args.dy.size(0);
  const auto* tokens = args.order.data<std::int32_t>();
  const auto* rows = tokens + count;
  const auto* dy = args.dy.data<float>();
  auto* dtable = args.dtable.data<float>();
  for_each_range(stream, h, kColumns, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t at = tokens[i] - args.first_token;
      if (at >= 0 && at < args.dtable.size(0)) {
        add_to(dy + rows[i] * h + begin, end - begin, dtable + at * h + begin);
      }
    }
  });
}

void position_embedding_forward(Stream& stream, const PositionEmbeddingForward& args) {
  dropout_rows(stream,
               {.rows = args.x.size(0),
                .columns = args.x.size(1),
                .x = args.x.matrix<float>(),
                .added = args.table.data<float>(),
                .added_rows = args.dropout.rows_per_sample,
                .added_at = args.positions.empty() ? nullptr : args.positions.data<std::int32_t>(),
                .y = args.y.matrix<float>(),
                .dropout = args.dropout});
}

void position_embedding_backward(Stream& stream, const PositionEmbeddingBackward& args) {
  const std::int64_t h = args.dy.size(1);
  const std::int64_t positions = args.rows_per_sample;
  const std::int64_t samples = args.dy.size(0) / positions;
  const Tensor sums(stream.memory(), {args.accumulate ? positions : 0, h}, DType::float32,
                    MemoryLabel::workspace);
  const auto* dy = args.dy.data<float>();
  auto* dtable = args.dtable.data<float>();
  for_each_range(stream, args.dtable.size(0), rows_per_piece(h),
                 [&](std::int64_t t, std::int64_t end) {
                   for (; t < end; ++t) {
                     const std::int64_t terms = t < positions ? samples : 0;
                     if (!args.accumulate) {
                       sum_samples(dy + t * h, terms, positions * h, h, dtable + t * h);
                     } else if (t < positions) {
                       float* sum = sums.data<float>() + t * h;
                       sum_samples(dy + t * h, terms, positions * h, h, sum);
                       add_to(sum, h, dtable + t * h);
                     }
                   }
                 });
}

}  // namespace stagecraft::cpu
