// Measures a whole training step of a GPT-2 on one GPU, one actor, T = 1024, 512 sequences (0.5 M
// tokens) a step: tokens per second, and the rate of its matrix products and attention against the
// best product of the same run.
//   train_step_gpu [STEPS = 5] [PRESET = gpt2-124m] [MICRO_BATCH = 64] [PRECISION = bf16]
//                  [GLOBAL_BATCH = 512] [DROPOUT = 0]
#include <fmt/core.h>

#include <chrono>
#include <cstdlib>
#include <limits>
#include <span>

#include "benchmarks/bench_run.h"
#include "kernels/backends/make_stream.h"
#include "kernels/ops/elementwise.h"
#include "kernels/ops/host_copy.h"
#include "kernels/ops/matmul.h"
#include "models/families/gpt.h"
#include "models/families/model_config.h"

namespace {

using namespace stagecraft;

constexpr Device kGpu{DeviceKind::cuda, 0};

struct Words {
  int count;
  char** words;
  std::string text(int index, const char* otherwise) const {
    return index < count ? words[index] : otherwise;
  }
  std::int64_t number(int index, std::int64_t otherwise) const {
    return index < count ? std::atoll(words[index]) : otherwise;
  }
};

Precision precision_of(const std::string& name) {
  require(name == "float32" || name == "tf32" || name == "bf16", "benchmark",
          "{} is not one of float32, tf32 and bf16", name);
  return name == "bf16" ? Precision::bf16 : name == "tf32" ? Precision::tf32 : Precision::float32;
}

/// TFLOP/s of a matrix product of 8192 x 8192 x 8192, the best of a few.
double best_product(Precision precision) {
  using Clock = std::chrono::steady_clock;
  constexpr std::int64_t kSize = 8192;
  const auto stream = make_stream(kGpu, {.tf32 = precision == Precision::tf32});
  const DType dtype = activation_dtype(precision);
  std::vector<float> numbers(kSize * kSize);
  fill_normal({.key = random_key(1, "bench")}, 0, numbers.size(), 1, numbers.data());
  const Tensor drawn(stream->memory(), {kSize, kSize}, DType::float32, MemoryLabel::workspace);
  copy_from_host(*stream, std::span<const float>(numbers), drawn);
  const Tensor a(stream->memory(), {kSize, kSize}, dtype, MemoryLabel::workspace);
  const Tensor b(stream->memory(), {kSize, kSize}, dtype, MemoryLabel::workspace);
  const Tensor c(stream->memory(), {kSize, kSize}, dtype, MemoryLabel::workspace);
  convert(*stream, {drawn, a});
  convert(*stream, {drawn, b});
  double best = std::numeric_limits<double>::infinity();
  for (int round = 0; round < 5; ++round) {
    stream->synchronize();
    const auto begin = Clock::now();
    for (int i = 0; i < 10; ++i) {
      matmul(*stream, {.a = a, .b = b, .c = c});
    }
    stream->synchronize();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - begin).count() / 10);
  }
  return 2e-12 * kSize * kSize * static_cast<double>(kSize) / best;
}

ModelConfig model_of(const std::string& preset, double dropout) {
  ModelConfig config;
  config.preset = preset;
  config.dropout = dropout;
  return resolved(config, 256);
}

void run(const Words& words) {
  const std::int64_t steps = words.number(1, 5);
  const ModelConfig model =
      model_of(words.text(2, "gpt2-124m"), std::atof(words.text(6, "0").c_str()));
  const Precision precision = precision_of(words.text(4, "bf16"));
  const BatchConfig batch{.global_batch = words.number(5, 512),
                          .micro_batch = words.number(3, 64),
                          .precision = precision};
  const double best = best_product(precision);
  const bench::Measured step = bench::measure(model, {}, batch, 1, steps, run_training, {kGpu});
  const TrainingPlan plan = make_plan(gpt(model, 1), {}, batch);
  const double rate = 1e-12 * plan.flops_per_step / step.step_seconds;
  const auto tokens = static_cast<double>(batch.global_batch * model.sequence);
  fmt::print("seconds_per_step {:.4f}\n", step.step_seconds);
  fmt::print("tokens_per_second {:.0f}\n", tokens / step.step_seconds);
  fmt::print("products_and_attention {:.1f} TFLOP/s, best_product {:.1f} TFLOP/s, ratio {:.3f}\n",
             rate, best, rate / best);
  fmt::print("peak_mib {:.0f} planned_mib {:.0f}\n",
             static_cast<double>(step.result.ranks.front().peak_bytes) / (1 << 20),
             static_cast<double>(plan.memory.front().total()) / (1 << 20));
}

}  // namespace

int main(int count, char** words) {
  try {
    run({count, words});
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
