// Compares attention on the CPU with the best GEMM of the same run. A causal product counts as half
// of the square: 2 B H T^2 D operations forward, 5 B H T^2 D backward (scores are recomputed).
//
//   usage: bench_attention
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>

#include "benchmarks/attention_call.h"
#include "kernels/backends/make_stream.h"
#include "kernels/ops/matmul.h"

namespace stagecraft {
namespace {

struct Setting {
  std::int64_t samples;
  std::int64_t sequence;
  std::int64_t heads;
  std::int64_t head_size;
};

/// The best of several runs, after one warm-up run.
template <typename F>
double best_seconds(F&& run) {
  using Clock = std::chrono::steady_clock;
  run();
  double best = std::numeric_limits<double>::infinity();
  const auto end = Clock::now() + std::chrono::milliseconds(800);
  do {
    const auto begin = Clock::now();
    run();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - begin).count());
  } while (Clock::now() < end);
  return best;
}

Tensor random_tensor(Stream& stream, Shape shape, std::string_view name) {
  Tensor tensor(stream.memory(), shape, DType::float32, MemoryLabel::saved_activations);
  fill_normal({.key = random_key(1, name)}, 0, static_cast<std::uint64_t>(tensor.elements()), 1,
              tensor.data<float>());
  return tensor;
}

double gemm_rate(int threads) {
  const auto stream = make_stream({}, {.threads = threads});
  constexpr std::int64_t kSize = 2048;
  const Tensor a = random_tensor(*stream, {kSize, kSize}, "a");
  const Tensor b = random_tensor(*stream, {kSize, kSize}, "b");
  const Tensor c = random_tensor(*stream, {kSize, kSize}, "c");
  const double seconds = best_seconds([&] { matmul(*stream, {.a = a, .b = b, .c = c}); });
  return 2e-9 * kSize * kSize * kSize / seconds;
}

void measure(const Setting& s, float dropout, int threads) {
  const auto stream = make_stream({}, {.threads = threads});
  const std::int64_t rows = s.samples * s.sequence;
  const std::int64_t row = s.heads * s.head_size;
  const bench::AttentionTensors on{
      .qkv = random_tensor(*stream, {rows, 3 * row}, "qkv"),
      .out = random_tensor(*stream, {rows, row}, "out"),
      .dout = random_tensor(*stream, {rows, row}, "dout"),
      .lse = random_tensor(*stream, {s.samples, s.heads, s.sequence}, "lse"),
      .dqkv = random_tensor(*stream, {rows, 3 * row}, "dqkv")};
  const AttentionShape shape = {.samples = s.samples,
                                .sequence = s.sequence,
                                .heads = s.heads,
                                .head_size = s.head_size,
                                .dropout = {.probability = dropout, .key = 7, .step = 1}};
  const AttentionForward forward_args = bench::forward_call(shape, on);
  const AttentionBackward backward_args = bench::backward_call(shape, on);
  const double forward = best_seconds([&] { attention_forward(*stream, forward_args); });
  const double backward = best_seconds([&] { attention_backward(*stream, backward_args); });
  const double square = 1e-9 * static_cast<double>(rows * s.sequence * row);
  fmt::print("{:4} {:5} {:3} {:4} {:8} {:8.1f} {:9.2f} {:8.0f} {:9.2f} {:8.0f}\n", s.samples,
             s.sequence, s.heads, s.head_size, threads, dropout, forward * 1e3,
             2 * square / forward, backward * 1e3, 5 * square / backward);
}

}  // namespace
}  // namespace stagecraft

int main() {
  using namespace stagecraft;
  for (const int threads : {1, 2}) {
    fmt::print("GEMM 2048 x 2048 x 2048, {} threads: {:.0f} GFLOP/s\n", threads,
               gemm_rate(threads));
  }
  fmt::print("                                   forward           backward\n");
  fmt::print("   B     T   H    D  threads  dropout        ms  GFLOP/s        ms  GFLOP/s\n");
  for (const Setting& setting : {Setting{4, 256, 12, 64}, {4, 1024, 12, 64}, {16, 128, 4, 64}}) {
    for (const int threads : {1, 2}) {
      for (const float dropout : {0.0F, 0.1F}) {
        measure(setting, dropout, threads);
      }
    }
  }
  return 0;
}
