#include <fmt/core.h>

#include <cmath>
#include <string_view>

#include "benchmarks/device/tables.h"

namespace stagecraft::bench {
namespace {

double copy_rate(Stream& stream, const Source& source, std::int64_t elements) {
  const Tensor from = source.tensor({elements});
  const Tensor to = source.tensor({elements});
  const double seconds = best_seconds(stream, [&] { copy(stream, {from, to}); });
  return 2e-9 * static_cast<double>(from.bytes()) / seconds;
}

/// Prints the bandwidth of operations, counting the minimum of bytes that each has to move.
class MemoryTable {
 public:
  MemoryTable(Stream& stream, DType dtype, double copy_gb_s)
      : stream_(stream),
        element_bytes_(static_cast<double>(size_of(dtype))),
        copy_gb_s_(copy_gb_s) {
    fmt::print("\n{:44} {:>9} {:>9} {:>14}\n", fmt::format("memory-bound, {}", to_string(dtype)),
               "us", "GB/s", "ratio to copy");
  }
  /// The operation moves `elements` activations and `floats` float32 numbers.
  template <typename F>
  void row(std::string_view name, double elements, F&& call, double floats = 0) {
    const double seconds = best_seconds(stream_, call);
    const double rate = 1e-9 * (element_bytes_ * elements + 4 * floats) / seconds;
    fmt::print("{:44} {:9.1f} {:9.0f} {:14.2f}\n", name, seconds * 1e6, rate, rate / copy_gb_s_);
  }

 private:
  Stream& stream_;
  double element_bytes_;
  double copy_gb_s_;
};

void norms(Stream& stream, const Source& source, MemoryTable& table, const Sizes& sizes) {
  const std::int64_t rows = sizes.rows;
  const std::int64_t hidden = sizes.hidden;
  const auto area = static_cast<double>(rows * hidden);
  const Tensor x = source.tensor({rows, hidden});
  const Tensor y = source.tensor({rows, hidden});
  const Tensor dy = source.tensor({rows, hidden});
  const Tensor residual = source.tensor({rows, hidden});
  const Tensor gamma = source.number({hidden});
  const Tensor beta = source.number({hidden});
  const Tensor mean = source.number({rows});
  const Tensor rstd = source.number({rows});
  const Tensor sums = source.number(norm_sums_shape(rows, hidden));
  table.row("layer_norm_forward", 2 * area, [&] {
    layer_norm_forward(stream,
                       {.x = x, .gamma = gamma, .beta = beta, .y = y, .mean = mean, .rstd = rstd});
  });
  table.row("layer_norm_backward_input, with a residual", 4 * area, [&] {
    layer_norm_backward_input(stream, {.dy = dy,
                                       .x = x,
                                       .gamma = gamma,
                                       .mean = mean,
                                       .rstd = rstd,
                                       .residual_gradient = residual,
                                       .dx = y,
                                       .sums = sums});
  });
  table.row(
      "layer_norm_backward_weight", 0,
      [&] { layer_norm_backward_weight(stream, {.sums = sums, .dgamma = gamma, .dbeta = beta}); },
      static_cast<double>(sums.elements()));
}

void elementwise(Stream& stream, const Source& source, MemoryTable& table, const Sizes& sizes) {
  const std::int64_t rows = sizes.rows;
  const std::int64_t wide = sizes.wide();
  const auto area = static_cast<double>(rows * wide);
  const Tensor a = source.tensor({rows, wide});
  const Tensor b = source.tensor({rows, wide});
  const Tensor c = source.tensor({rows, wide});
  const Tensor bias = source.tensor({wide});
  const Dropout dropout{.probability = 0.1F, .key = 5, .step = 1, .rows_per_sample = kSequence};
  table.row("gelu_forward", 2 * area, [&] { gelu_forward(stream, {a, c}); });
  table.row("gelu_backward", 3 * area, [&] { gelu_backward(stream, {a, b, c}); });
  table.row("add", 3 * area, [&] { add(stream, {a, b, c}); });
  if (source.dtype() == DType::float32) {
    table.row("maximum", 3 * area, [&] { maximum(stream, {a, b, c}); });
  }
  table.row("fill_zero", area, [&] { fill_zero(stream, {c}); });
  const Tensor dbias = source.number({wide});
  table.row("bias_gradient", area, [&] { bias_gradient(stream, {a, dbias}); });
  table.row("bias + residual", 3 * area,
            [&] { bias_dropout_residual(stream, {.x = a, .bias = bias, .residual = b, .y = c}); });
  table.row("bias + dropout + residual", 3 * area, [&] {
    bias_dropout_residual(stream,
                          {.x = a, .bias = bias, .residual = b, .dropout = dropout, .y = c});
  });
  table.row("dropout_backward", 2 * area, [&] { dropout_backward(stream, {a, dropout, c}); });
}

void embeddings(Stream& stream, const Source& source, MemoryTable& table, const Sizes& sizes) {
  const std::int64_t rows = sizes.rows;
  const std::int64_t hidden = sizes.hidden;
  const auto area = static_cast<double>(rows * hidden);
  const Tensor weights = source.tensor({kVocabulary, hidden});
  const Tensor positions = source.tensor({kSequence, hidden});
  const Tensor x = source.tensor({rows, hidden});
  const Tensor y = source.tensor({rows, hidden});
  const Tensor tokens = source.tokens(rows, kVocabulary);
  const Tensor all = source.order_of_tokens(rows, kVocabulary, false);
  const Tensor bytes = source.order_of_tokens(rows, 256, false);
  const Tensor text = source.order_of_tokens(rows, 256, true);
  const Tensor dweights = source.number({kVocabulary, hidden});
  const Tensor dpositions = source.number({kSequence, hidden});
  // Accumulated gradients are read and written: the whole table of positions, and the rows of the
  // token table for the tokens that occur.
  const auto occurring = [rows, hidden](double vocabulary) {
    return 2 * static_cast<double>(hidden) * vocabulary * (1 - std::pow(1 - 1 / vocabulary, rows));
  };
  table.row("token_embedding_forward", 2 * area,
            [&] { token_embedding_forward(stream, {.tokens = tokens, .table = weights, .y = y}); });
  table.row(
      "token_embedding_backward, 50304 tokens", area,
      [&] { token_embedding_backward(stream, {.order = all, .dy = x, .dtable = dweights}); },
      occurring(kVocabulary));
  table.row(
      "token_embedding_backward, 256 tokens", area,
      [&] { token_embedding_backward(stream, {.order = bytes, .dy = x, .dtable = dweights}); },
      occurring(256));
  table.row(
      "token_embedding_backward, bytes of text", area,
      [&] { token_embedding_backward(stream, {.order = text, .dy = x, .dtable = dweights}); },
      occurring(256));
  table.row("position_embedding_forward", 2 * area, [&] {
    position_embedding_forward(
        stream, {.x = x, .table = positions, .dropout = {.rows_per_sample = kSequence}, .y = y});
  });
  table.row(
      "position_embedding_backward", area,
      [&] {
        position_embedding_backward(stream,
                                    {.dy = x, .rows_per_sample = kSequence, .dtable = dpositions});
      },
      2 * static_cast<double>(dpositions.elements()));
}

void losses(Stream& stream, const Source& source, MemoryTable& table, const Sizes& sizes) {
  const std::int64_t rows = sizes.rows / 4;
  const auto area = static_cast<double>(rows * kVocabulary);
  const VocabularyShard shard{.vocabulary = 50257};
  const Tensor logits = source.tensor({rows, kVocabulary});
  const Tensor top = source.number({rows});
  const Tensor sums = source.number({2, rows});
  const Tensor targets = source.tokens(rows, 50257);
  const Tensor loss(stream.memory(), {1}, DType::float64, MemoryLabel::workspace);
  table.row("softmax_maximum", area, [&] { softmax_maximum(stream, {logits, shard, top}); });
  table.row("softmax_sum", area, [&] { softmax_sum(stream, {logits, top, targets, shard, sums}); });
  table.row("softmax_gradient", 2 * area, [&] {
    softmax_gradient(stream, {logits, top, sums, targets, shard, 1e-3F});
  });
  table.row("softmax_cross_entropy", 2 * area, [&] {
    softmax_cross_entropy(stream, {logits, targets, shard.vocabulary, 1e-3F, loss});
  });
  table.row(
      "cross_entropy_loss", 0,
      [&] {
        cross_entropy_loss(stream, {sums, targets, loss});
      },
      3 * static_cast<double>(rows));
}

void optimizer(Stream& stream, const Source& source, MemoryTable& table, std::int64_t count) {
  const auto elements = static_cast<double>(count);
  AdamW args;
  args.weight = source.number({count});
  args.gradient = source.number({count});
  args.first_moment = source.number({count});
  args.second_moment = source.ones_like(args.weight);
  args.learning_rate = 1e-6F;
  const Tensor out(stream.memory(), {1}, DType::float64, MemoryLabel::workspace);
  if (source.dtype() == DType::bfloat16) {
    args.compute_weights = source.tensor({count});
  }
  table.row(
      "adamw", args.compute_weights.empty() ? 0 : elements, [&] { adamw(stream, args); },
      7 * elements);
  table.row(
      "sums_of_squares", 0,
      [&] {
        sums_of_squares(stream, {{args.gradient}, out});
      },
      elements);
}

void host_copies(Stream& stream, const Source& source, std::int64_t count) {
  const Tensor tensor = source.number({count});
  std::vector<float> host(static_cast<std::size_t>(count), 1.0F);
  const double gigabytes = 1e-9 * static_cast<double>(tensor.bytes());
  const double in =
      best_seconds(stream, [&] { copy_from_host(stream, std::span<const float>(host), tensor); });
  const double out =
      best_seconds(stream, [&] { copy_to_host(stream, tensor, std::span<float>(host)); });
  fmt::print("\nhost to device {:.1f} GB/s, device to host {:.1f} GB/s\n", gigabytes / in,
             gigabytes / out);
}

}  // namespace

void memory_bound(Stream& stream, const Source& source, const Sizes& sizes) {
  const double copied = copy_rate(stream, source, sizes.rows * sizes.wide());
  fmt::print("{}: a copy moves {:.0f} GB/s\n", to_string(stream.device()), copied);
  MemoryTable table(stream, source.dtype(), copied);
  norms(stream, source, table, sizes);
  elementwise(stream, source, table, sizes);
  embeddings(stream, source, table, sizes);
  losses(stream, source, table, sizes);
  optimizer(stream, source, table, sizes.rows * 3800);
  host_copies(stream, source, sizes.rows * 512);
}

}  // namespace stagecraft::bench
