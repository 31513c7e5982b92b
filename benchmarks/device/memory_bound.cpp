#include <fmt/core.h>

#include <cmath>
#include <string_view>
#include <type_traits>

#include "benchmarks/device/tables.h"

namespace stagecraft::bench {
namespace {

double copy_rate(Stream& stream, const Source& source, std::int64_t elements) {
  const Tensor from = source.tensor({elements});
  const Tensor to = source.tensor({elements});
  const double seconds = best_seconds(stream, [&] { copy(stream, {from, to}); });
  return 2e-9 * static_cast<double>(from.bytes()) / seconds;
}

/// Prints operations beside the bytes that they have to move.
class MemoryTable {
 public:
  MemoryTable(Stream& stream, DType dtype, double copy_gb_s)
      : stream_(stream), copy_gb_s_(copy_gb_s) {
    fmt::print("\n{:44} {:>9} {:>9} {:>14}\n", fmt::format("memory-bound, {}", to_string(dtype)),
               "us", "GB/s", "ratio to copy");
  }
  template <typename Args>
  void row(std::string_view name, void (*operation)(Stream&, const Args&),
           const std::type_identity_t<Args>& args) {
    row(name, operation, args, static_cast<double>(bytes_of(args)));
  }
  template <typename Args>
  void row(std::string_view name, void (*operation)(Stream&, const Args&),
           const std::type_identity_t<Args>& args, double bytes) {
    const double seconds = best_seconds(stream_, [&] { operation(stream_, args); });
    const double rate = 1e-9 * bytes / seconds;
    fmt::print("{:44} {:9.1f} {:9.0f} {:14.2f}\n", name, seconds * 1e6, rate, rate / copy_gb_s_);
  }

 private:
  Stream& stream_;
  double copy_gb_s_;
};

void norms(const Source& source, MemoryTable& table, const Sizes& sizes) {
  const std::int64_t rows = sizes.rows;
  const std::int64_t hidden = sizes.hidden;
  const Tensor x = source.tensor({rows, hidden});
  const Tensor y = source.tensor({rows, hidden});
  const Tensor dy = source.tensor({rows, hidden});
  const Tensor residual = source.tensor({rows, hidden});
  const Tensor gamma = source.number({hidden});
  const Tensor beta = source.number({hidden});
  const Tensor mean = source.number({rows});
  const Tensor rstd = source.number({rows});
  const Tensor sums = source.number(norm_sums_shape(rows, hidden));
  table.row("layer_norm_forward", layer_norm_forward,
            {.x = x, .gamma = gamma, .beta = beta, .y = y, .mean = mean, .rstd = rstd});
  table.row("layer_norm_backward_input, with a residual", layer_norm_backward_input,
            {.dy = dy,
             .x = x,
             .gamma = gamma,
             .mean = mean,
             .rstd = rstd,
             .residual_gradient = residual,
             .dx = y,
             .sums = sums});
  table.row("layer_norm_backward_weight", layer_norm_backward_weight,
            {.sums = sums, .dgamma = gamma, .dbeta = beta});
}

void elementwise(const Source& source, MemoryTable& table, const Sizes& sizes) {
  const std::int64_t rows = sizes.rows;
  const std::int64_t wide = sizes.wide();
  const Tensor a = source.tensor({rows, wide});
  const Tensor b = source.tensor({rows, wide});
  const Tensor c = source.tensor({rows, wide});
  const Tensor bias = source.tensor({wide});
  const Dropout dropout{.probability = 0.1F, .key = 5, .step = 1, .rows_per_sample = kSequence};
  table.row("activation_forward", activation_forward, {a, c});
  table.row("activation_backward", activation_backward, {a, b, c});
  table.row("add", add, {a, b, c});
  if (source.dtype() == DType::float32) {
    table.row("maximum", maximum, {a, b, c});
  }
  table.row("fill_zero", fill_zero, {c});
  const Tensor dbias = source.number({wide});
  table.row("bias_gradient", bias_gradient, {a, dbias});
  table.row("bias + residual", bias_dropout_residual,
            {.x = a, .bias = bias, .residual = b, .y = c});
  table.row("bias + dropout + residual", bias_dropout_residual,
            {.x = a, .bias = bias, .residual = b, .dropout = dropout, .y = c});
  table.row("dropout_backward", dropout_backward, {a, dropout, c});
}

/// Of the table's gradient the row of each token that occurs is read and written; bytes_of, which
/// does not see the tokens, counts a row for each of dy's.
double token_gradient_bytes(const TokenEmbeddingBackward& args, double vocabulary) {
  const auto rows = static_cast<double>(args.dy.size(0));
  const double occurring = vocabulary * (1 - std::pow(1 - 1 / vocabulary, rows));
  const auto row_bytes = static_cast<double>(args.dtable.size(1) * size_of(DType::float32));
  return static_cast<double>(args.dy.bytes() + args.order.bytes()) + 2 * occurring * row_bytes;
}

void embeddings(const Source& source, MemoryTable& table, const Sizes& sizes) {
  const std::int64_t rows = sizes.rows;
  const std::int64_t hidden = sizes.hidden;
  const Tensor weights = source.tensor({kVocabulary, hidden});
  const Tensor positions = source.tensor({kSequence, hidden});
  const Tensor x = source.tensor({rows, hidden});
  const Tensor y = source.tensor({rows, hidden});
  const Tensor tokens = source.tokens(rows, kVocabulary);
  const Tensor dweights = source.number({kVocabulary, hidden});
  const Tensor dpositions = source.number({kSequence, hidden});
  table.row("token_embedding_forward", token_embedding_forward,
            {.tokens = tokens, .table = weights, .y = y});
  const auto token_gradient = [&](std::string_view name, std::int64_t vocabulary, bool uneven) {
    const TokenEmbeddingBackward args{
        .order = source.order_of_tokens(rows, vocabulary, uneven), .dy = x, .dtable = dweights};
    table.row(name, token_embedding_backward, args,
              token_gradient_bytes(args, static_cast<double>(vocabulary)));
  };
  token_gradient("token_embedding_backward, 50304 tokens", kVocabulary, false);
  token_gradient("token_embedding_backward, 256 tokens", 256, false);
  token_gradient("token_embedding_backward, bytes of text", 256, true);
  table.row("position_embedding_forward", position_embedding_forward,
            {.x = x, .table = positions, .dropout = {.rows_per_sample = kSequence}, .y = y});
  table.row("position_embedding_backward", position_embedding_backward,
            {.dy = x, .rows_per_sample = kSequence, .dtable = dpositions});
}

void losses(Stream& stream, const Source& source, MemoryTable& table, const Sizes& sizes) {
  const std::int64_t rows = sizes.rows / 4;
  const VocabularyShard shard{.vocabulary = 50257};
  const Tensor logits = source.tensor({rows, kVocabulary});
  const Tensor top = source.number({rows});
  const Tensor sums = source.number({2, rows});
  const Tensor targets = source.tokens(rows, 50257);
  const Tensor loss(stream.memory(), {1}, DType::float64, MemoryLabel::workspace);
  table.row("softmax_maximum", softmax_maximum, {logits, shard, top});
  table.row("softmax_sum", softmax_sum, {logits, top, targets, shard, sums});
  table.row("softmax_gradient", softmax_gradient, {logits, top, sums, targets, shard, 1e-3F});
  table.row("softmax_cross_entropy", softmax_cross_entropy,
            {logits, targets, shard.vocabulary, 1e-3F, loss});
  table.row("cross_entropy_loss", cross_entropy_loss, {sums, targets, loss});
}

void optimizer(Stream& stream, const Source& source, MemoryTable& table, std::int64_t count) {
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
  table.row("adamw", adamw, args);
  table.row("sums_of_squares", sums_of_squares, {{args.gradient}, out});
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
  norms(source, table, sizes);
  elementwise(source, table, sizes);
  embeddings(source, table, sizes);
  losses(stream, source, table, sizes);
  optimizer(stream, source, table, sizes.rows * 3800);
  host_copies(stream, source, sizes.rows * 512);
}

}  // namespace stagecraft::bench
