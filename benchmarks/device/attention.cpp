#include <fmt/core.h>

#include "benchmarks/attention_call.h"
#include "benchmarks/device/tables.h"

namespace stagecraft::bench {
namespace {

struct Heads {
  std::int64_t sequence;
  std::int64_t heads;
  std::int64_t size;
  float dropout;
};

/// flops_of counts four products of the backward. The fifth computes the probabilities again, which
/// every implementation has to do.
constexpr double kBackward = 5.0 / 4;

/// The heads of `sizes`, and other head sizes for rows of 768.
std::vector<Heads> measured_heads(const Sizes& sizes) {
  const std::int64_t size = sizes.hidden / sizes.heads;
  std::vector<Heads> all = {{kSequence, sizes.heads, size, 0},
                            {kSequence, sizes.heads, size, 0.1F}};
  if (sizes.hidden == 768) {
    for (const std::int64_t heads : {8, 6, 3, 24}) {
      all.push_back({kSequence, heads, sizes.hidden / heads, 0});
    }
  }
  return all;
}

}  // namespace

void attention(Stream& stream, const Source& source, const Sizes& sizes, double best) {
  fmt::print("\n{:26} {:>9} {:>9} {:>24}\n", "attention (T, H, D, drop)", "forward", "backward",
             "TFLOP/s, ratios to best");
  for (const Heads& s : measured_heads(sizes)) {
    const std::int64_t row = s.heads * s.size;
    const AttentionShape shape = {.samples = std::max<std::int64_t>(1, sizes.rows / s.sequence),
                                  .sequence = s.sequence,
                                  .heads = s.heads,
                                  .head_size = s.size,
                                  .dropout = {.probability = s.dropout, .key = 7, .step = 1}};
    const std::int64_t tokens = shape.samples * s.sequence;
    const bench::AttentionTensors on{.qkv = source.tensor({tokens, 3 * row}),
                                     .out = source.tensor({tokens, row}),
                                     .dout = source.tensor({tokens, row}),
                                     .lse = source.number({shape.samples, s.heads, s.sequence}),
                                     .dqkv = source.tensor({tokens, 3 * row})};
    const AttentionForward forward_args = bench::forward_call(shape, on);
    const AttentionBackward backward_args = bench::backward_call(shape, on);
    const double forward = 1e-12 * flops_of(forward_args) /
                           best_seconds(stream, [&] { attention_forward(stream, forward_args); });
    const double backward = kBackward * 1e-12 * flops_of(backward_args) / best_seconds(stream, [&] {
                              attention_backward(stream, backward_args);
                            });
    fmt::print("{:26} {:9.2f} {:9.2f} {:8.2f} {:7.2f}\n",
               fmt::format("{}, {}, {}, {}", s.sequence, s.heads, s.size, s.dropout), forward,
               backward, forward / best, backward / best);
  }
}

}  // namespace stagecraft::bench
