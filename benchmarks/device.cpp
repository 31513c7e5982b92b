// Every operation of a device beside what bounds it, measured in the same run: the memory-bound
// ones beside the copy of a large tensor, matrix products and attention beside the best matrix
// product.
//   usage: bench_device [cuda | cpu] [rows = 32768 on cuda, 1024 on cpu] [attention | bfloat16]
// The last word leaves out all but attention in float32, or all but what is computed in bfloat16.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/ops/op_table.h"

namespace stagecraft::bench {
namespace {

constexpr std::int64_t kHidden = 768;
constexpr std::int64_t kWide = 4 * kHidden;
constexpr std::int64_t kVocabulary = 50304;
constexpr std::int64_t kSequence = 1024;

/// The best of several batches of calls, each waited for as a whole: what issuing takes of the host
/// is hidden where it is less than what the device takes.
template <typename F>
double best_seconds(Stream& stream, F&& call) {
  using Clock = std::chrono::steady_clock;
  constexpr int kCalls = 10;
  call();
  stream.synchronize();
  double best = std::numeric_limits<double>::infinity();
  const auto end = Clock::now() + std::chrono::milliseconds(300);
  int batches = 0;
  do {
    const auto begin = Clock::now();
    for (int i = 0; i < kCalls; ++i) {
      call();
    }
    stream.synchronize();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - begin).count() / kCalls);
  } while (++batches < 3 || Clock::now() < end);
  return best;
}

/// Makes tensors of normal numbers from one block of them: activations in `dtype`, and numbers that
/// are always float32.
class Source {
 public:
  Source(Stream& stream, DType dtype)
      : stream_(stream),
        dtype_(dtype),
        block_(stream.memory(), {kBlock}, DType::float32, MemoryLabel::workspace) {
    std::vector<float> numbers(kBlock);
    fill_normal({.key = random_key(1, "bench")}, 0, kBlock, 1, numbers.data());
    copy_from_host(stream, std::span<const float>(numbers), block_);
  }

  DType dtype() const { return dtype_; }
  Tensor tensor(const Shape& shape) const { return made(shape, dtype_); }
  Tensor number(const Shape& shape) const { return made(shape, DType::float32); }

  /// Squares, for second moments.
  Tensor ones_like(const Tensor& other) const {
    Tensor made(stream_.memory(), other.shape(), DType::float32, MemoryLabel::workspace);
    const std::vector<float> ones(static_cast<std::size_t>(made.elements()), 1.0F);
    copy_from_host(stream_, std::span<const float>(ones), made);
    return made;
  }

  Tensor tokens(std::int64_t count, std::int64_t vocabulary) const {
    std::vector<std::int32_t> drawn(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < drawn.size(); ++i) {
      drawn[i] = static_cast<std::int32_t>(philox(7, {static_cast<std::uint32_t>(i), 0, 0, 0})[0] %
                                           static_cast<std::uint32_t>(vocabulary));
    }
    Tensor made(stream_.memory(), {count}, DType::int32, MemoryLabel::workspace);
    copy_from_host(stream_, std::span<const std::int32_t>(drawn), made);
    return made;
  }

 private:
  static constexpr std::int64_t kBlock = 1 << 20;

  Tensor made(const Shape& shape, DType dtype) const {
    Tensor tensor(stream_.memory(), shape, dtype, MemoryLabel::workspace);
    const Tensor flat = tensor.view({tensor.elements()});
    for (std::int64_t at = 0; at < flat.elements(); at += kBlock) {
      const std::int64_t count = std::min<std::int64_t>(kBlock, flat.elements() - at);
      convert(stream_, {block_.rows(0, count), flat.rows(at, at + count)});
    }
    return tensor;
  }

  Stream& stream_;
  DType dtype_;
  Tensor block_;
};

double copy_rate(Stream& stream, const Source& source, std::int64_t elements) {
  const Tensor from = source.tensor({elements});
  const Tensor to = source.tensor({elements});
  const double seconds = best_seconds(stream, [&] { copy(stream, {from, to}); });
  return 2e-9 * static_cast<double>(from.bytes()) / seconds;
}

/// Prints operations beside the least that they have to move.
class MemoryTable {
 public:
  MemoryTable(Stream& stream, DType dtype, double copy_gb_s)
      : stream_(stream),
        element_bytes_(static_cast<double>(size_of(dtype))),
        copy_gb_s_(copy_gb_s) {
    fmt::print("\n{:44} {:>9} {:>9} {:>14}\n", fmt::format("memory-bound, {}", to_string(dtype)),
               "us", "GB/s", "ratio to copy");
  }
  /// `elements` of activations, and `floats` beside them.
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

void norms(Stream& stream, const Source& source, MemoryTable& table, std::int64_t rows) {
  const auto area = static_cast<double>(rows * kHidden);
  const Tensor x = source.tensor({rows, kHidden});
  const Tensor y = source.tensor({rows, kHidden});
  const Tensor dy = source.tensor({rows, kHidden});
  const Tensor residual = source.tensor({rows, kHidden});
  const Tensor gamma = source.number({kHidden});
  const Tensor beta = source.number({kHidden});
  const Tensor mean = source.number({rows});
  const Tensor rstd = source.number({rows});
  const Tensor sums = source.number(norm_sums_shape(rows, kHidden));
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

void elementwise(Stream& stream, const Source& source, MemoryTable& table, std::int64_t rows) {
  const auto area = static_cast<double>(rows * kWide);
  const Tensor a = source.tensor({rows, kWide});
  const Tensor b = source.tensor({rows, kWide});
  const Tensor c = source.tensor({rows, kWide});
  const Tensor bias = source.tensor({kWide});
  const Dropout dropout{.probability = 0.1F, .key = 5, .step = 1, .rows_per_sample = kSequence};
  table.row("gelu_forward", 2 * area, [&] { gelu_forward(stream, {a, c}); });
  table.row("gelu_backward", 3 * area, [&] { gelu_backward(stream, {a, b, c}); });
  table.row("add", 3 * area, [&] { add(stream, {a, b, c}); });
  if (source.dtype() == DType::float32) {
    table.row("maximum", 3 * area, [&] { maximum(stream, {a, b, c}); });
  }
  table.row("fill_zero", area, [&] { fill_zero(stream, {c}); });
  const Tensor dbias = source.number({kWide});
  table.row("bias_gradient", area, [&] { bias_gradient(stream, {a, dbias}); });
  table.row("bias + residual", 3 * area,
            [&] { bias_dropout_residual(stream, {.x = a, .bias = bias, .residual = b, .y = c}); });
  table.row("bias + dropout + residual", 3 * area, [&] {
    bias_dropout_residual(stream,
                          {.x = a, .bias = bias, .residual = b, .dropout = dropout, .y = c});
  });
  table.row("dropout_backward", 2 * area, [&] { dropout_backward(stream, {a, dropout, c}); });
}

void embeddings(Stream& stream, const Source& source, MemoryTable& table, std::int64_t rows) {
  const auto area = static_cast<double>(rows * kHidden);
  const Tensor weights = source.tensor({kVocabulary, kHidden});
  const Tensor positions = source.tensor({kSequence, kHidden});
  const Tensor x = source.tensor({rows, kHidden});
  const Tensor y = source.tensor({rows, kHidden});
  const Tensor tokens = source.tokens(rows, kVocabulary);
  const Tensor bytes = source.tokens(rows, 256);
  const Tensor dweights = source.number({kVocabulary, kHidden});
  const Tensor dpositions = source.number({kSequence, kHidden});
  // Rows of the table are read and written once for each token that occurs.
  const auto occurring = [rows](double vocabulary) {
    return 2 * kHidden * vocabulary * (1 - std::pow(1 - 1 / vocabulary, rows));
  };
  table.row("token_embedding_forward", 2 * area,
            [&] { token_embedding_forward(stream, {.tokens = tokens, .table = weights, .y = y}); });
  table.row(
      "token_embedding_backward, 50304 tokens", area,
      [&] { token_embedding_backward(stream, {.tokens = tokens, .dy = x, .dtable = dweights}); },
      occurring(kVocabulary));
  table.row(
      "token_embedding_backward, 256 tokens", area,
      [&] { token_embedding_backward(stream, {.tokens = bytes, .dy = x, .dtable = dweights}); },
      occurring(256));
  table.row("position_embedding_forward", 2 * area, [&] {
    position_embedding_forward(
        stream, {.x = x, .table = positions, .dropout = {.rows_per_sample = kSequence}, .y = y});
  });
  table.row("position_embedding_backward", area, [&] {
    position_embedding_backward(stream,
                                {.dy = x, .rows_per_sample = kSequence, .dtable = dpositions});
  });
}

void losses(Stream& stream, const Source& source, MemoryTable& table, std::int64_t rows) {
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
    args.rounded = source.tensor({count});
  }
  table.row(
      "adamw", args.rounded.empty() ? 0 : elements, [&] { adamw(stream, args); }, 7 * elements);
  table.row(
      "sum_of_squares", 0,
      [&] {
        sum_of_squares(stream, {args.gradient, out});
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

/// y = x w, its gradients, and their rates.
struct Linear {
  std::int64_t rows;
  std::int64_t in;
  std::int64_t out;
};

struct Rates {
  double forward;
  double input;
  double weight;
};

Rates rates_of(Stream& stream, const Source& source, const Linear& s) {
  const Tensor x = source.tensor({s.rows, s.in});
  const Tensor w = source.tensor({s.in, s.out});
  const Tensor y = source.tensor({s.rows, s.out});
  const Tensor bias = source.tensor({s.out});
  const Tensor dw = source.number({s.in, s.out});
  const double teraflops =
      2e-12 * static_cast<double>(s.rows) * static_cast<double>(s.in) * static_cast<double>(s.out);
  const double forward =
      best_seconds(stream, [&] { matmul(stream, {.a = x, .b = w, .c = y, .bias = bias}); });
  const double input = best_seconds(
      stream, [&] { matmul(stream, {.a = y, .b = w, .transpose_b = Transpose::yes, .c = x}); });
  const double weight = best_seconds(stream, [&] {
    matmul(stream, {.a = x, .transpose_a = Transpose::yes, .b = y, .c = dw, .accumulate = true});
  });
  return {teraflops / forward, teraflops / input, teraflops / weight};
}

double best_product(Stream& stream, const Source& source, std::int64_t size) {
  const Tensor a = source.tensor({size, size});
  const Tensor b = source.tensor({size, size});
  const Tensor c = source.tensor({size, size});
  const double seconds = best_seconds(stream, [&] { matmul(stream, {.a = a, .b = b, .c = c}); });
  return 2e-12 * static_cast<double>(size * size) * static_cast<double>(size) / seconds;
}

/// The MLP's products with GELU, or its slope, joined.
void gelu_products(Stream& stream, const Source& source, std::int64_t rows, double best) {
  const Tensor x = source.tensor({rows, kHidden});
  const Tensor w = source.tensor({kHidden, kWide});
  const Tensor w_down = source.tensor({kWide, kHidden});
  const Tensor bias = source.tensor({kWide});
  const Tensor up = source.tensor({rows, kWide});
  const Tensor y = source.tensor({rows, kWide});
  const double teraflops = 2e-12 * static_cast<double>(rows * kHidden * kWide);
  const double forward =
      teraflops / best_seconds(stream, [&] {
        matmul(stream, {.a = x, .b = w, .c = y, .bias = bias, .before_gelu = up});
      });
  const double backward =
      teraflops / best_seconds(stream, [&] {
        matmul(stream,
               {.a = x, .b = w_down, .transpose_b = Transpose::yes, .c = y, .slope_at = up});
      });
  fmt::print("{:26} {:9.2f} {:9.2f} {:>9} {:8.2f} {:7.2f}\n",
             fmt::format("{}, {}, {}, GELU", rows, kHidden, kWide), forward, backward, "",
             forward / best, backward / best);
}

void products(Stream& stream, const Source& source, std::int64_t rows, double best) {
  fmt::print("\n{:26} {:>9} {:>9} {:>9} {:>24}\n", "products (rows, in, out)", "forward", "d input",
             "d weight", "TFLOP/s, ratios to best");
  for (const Linear& s : {Linear{rows, kHidden, 3 * kHidden}, Linear{rows, kHidden, kHidden},
                          Linear{rows, kHidden, kWide}, Linear{rows, kWide, kHidden},
                          Linear{rows / 4, kHidden, kVocabulary}}) {
    const Rates r = rates_of(stream, source, s);
    fmt::print("{:26} {:9.2f} {:9.2f} {:9.2f} {:8.2f} {:7.2f} {:7.2f}\n",
               fmt::format("{}, {}, {}", s.rows, s.in, s.out), r.forward, r.input, r.weight,
               r.forward / best, r.input / best, r.weight / best);
  }
  gelu_products(stream, source, rows, best);
}

/// Whether the first rows of y = x w have the same bits whatever the number of rows: then data
/// ranks need no shards of their own for them.
void bits(Stream& stream, const Source& source, std::int64_t most) {
  constexpr std::int64_t kFew = 1024;
  const Tensor x = source.tensor({most, kHidden});
  const Tensor w = source.tensor({kHidden, kWide});
  const auto first_rows = [&](std::int64_t rows) {
    const Tensor y = source.tensor({rows, kWide});
    matmul(stream, {.a = x.rows(0, rows), .b = w, .c = y});
    const Tensor few = y.rows(0, kFew);
    std::vector<std::byte> bytes(static_cast<std::size_t>(few.bytes()));
    copy_to_host(stream, {few, bytes});
    return bytes;
  };
  const std::vector<std::byte> expected = first_rows(kFew);
  fmt::print("\nbits of the first {} rows of (rows, {}, {}) as those of {} rows:", kFew, kHidden,
             kWide, kFew);
  for (std::int64_t rows = 2 * kFew; rows <= most; rows *= 2) {
    fmt::print(" {} {},", rows, first_rows(rows) == expected ? "same" : "DIFFERENT");
  }
  fmt::print("\n");
}

struct Heads {
  std::int64_t sequence;
  std::int64_t heads;
  std::int64_t size;
  float dropout;
};

/// Causal products count as half of the square: 2 and 5 of B H T^2 D operations.
void attention(Stream& stream, const Source& source, std::int64_t rows, double best) {
  fmt::print("\n{:26} {:>9} {:>9} {:>24}\n", "attention (T, H, D, drop)", "forward", "backward",
             "TFLOP/s, ratios to best");
  for (const Heads& s : {Heads{1024, 12, 64, 0}, Heads{1024, 12, 64, 0.1F}, Heads{1024, 8, 96, 0},
                         Heads{1024, 6, 128, 0}, Heads{1024, 3, 256, 0}, Heads{1024, 24, 32, 0}}) {
    const std::int64_t row = s.heads * s.size;
    const AttentionShape shape = {.samples = std::max<std::int64_t>(1, rows / s.sequence),
                                  .sequence = s.sequence,
                                  .heads = s.heads,
                                  .head_size = s.size,
                                  .dropout = {.probability = s.dropout, .key = 7, .step = 1}};
    const std::int64_t tokens = shape.samples * s.sequence;
    const Tensor qkv = source.tensor({tokens, 3 * row});
    const Tensor dqkv = source.tensor({tokens, 3 * row});
    const Tensor out = source.tensor({tokens, row});
    const Tensor dout = source.tensor({tokens, row});
    const Tensor log_sum = source.number({shape.samples, s.heads, s.sequence});
    const double square = 1e-12 * static_cast<double>(tokens * s.sequence * row);
    const double forward = 2 * square / best_seconds(stream, [&] {
                             attention_forward(stream, {shape, qkv, out, log_sum});
                           });
    const double backward = 5 * square / best_seconds(stream, [&] {
                              attention_backward(stream, {shape, dout, qkv, out, log_sum, dqkv});
                            });
    fmt::print("{:26} {:9.2f} {:9.2f} {:8.2f} {:7.2f}\n",
               fmt::format("{}, {}, {}, {}", s.sequence, s.heads, s.size, s.dropout), forward,
               backward, forward / best, backward / best);
  }
}

double print_best_product(Stream& stream, const Source& source, std::int64_t rows) {
  const double best = best_product(stream, source, rows / 4);
  fmt::print("\n{0}: a product of {1} x {1} x {1} runs at {2:.2f} TFLOP/s\n",
             to_string(source.dtype()), rows / 4, best);
  return best;
}

void measure_attention(Device device, std::int64_t rows) {
  const auto stream = make_stream(device, {.threads = 2});
  const Source source(*stream, DType::float32);
  attention(*stream, source, rows, print_best_product(*stream, source, rows));
}

void measure(Device device, DType dtype, std::int64_t rows) {
  const auto stream = make_stream(device, {.threads = 2});
  const Source source(*stream, dtype);
  const double copied = copy_rate(*stream, source, rows * kWide);
  fmt::print("{}: a copy moves {:.0f} GB/s\n", to_string(device), copied);
  MemoryTable table(*stream, dtype, copied);
  norms(*stream, source, table, rows);
  elementwise(*stream, source, table, rows);
  embeddings(*stream, source, table, rows);
  losses(*stream, source, table, rows / 4);
  optimizer(*stream, source, table, rows * 3800);
  host_copies(*stream, source, rows * 512);
  const double best = print_best_product(*stream, source, rows);
  products(*stream, source, rows, best);
  bits(*stream, source, rows);
  attention(*stream, source, rows, best);
}

void measure_tf32(Device device, std::int64_t rows) {
  const auto stream = make_stream(device, {.tf32 = true});
  const Source source(*stream, DType::float32);
  const double best = best_product(*stream, source, rows / 4);
  fmt::print("\ntf32: a product of {0} x {0} x {0} runs at {1:.0f} TFLOP/s\n", rows / 4, best);
  products(*stream, source, rows, best);
}

}  // namespace
}  // namespace stagecraft::bench

int main(int count, char** words) {
  using namespace stagecraft;
  const bool on_cpu = count > 1 && std::string_view(words[1]) == "cpu";
  const Device device{on_cpu ? DeviceKind::cpu : DeviceKind::cuda, 0};
  const std::int64_t rows = count > 2 ? std::atoll(words[2]) : on_cpu ? 1024 : 32768;
  const std::string_view only = count > 3 ? words[3] : "";
  try {
    if (only == "attention") {
      bench::measure_attention(device, rows);
      return 0;
    }
    if (only.empty()) {
      bench::measure(device, DType::float32, rows);
    }
    if (!on_cpu) {
      if (only.empty()) {
        bench::measure_tf32(device, rows);
      }
      bench::measure(device, DType::bfloat16, rows);
    }
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
