// Compares a whole training step of GPT-2 124M in float32, 4 x 256 tokens, one actor with two
// threads, with the time of its matrix products (gemm_bound.h), and its memory with the minimum for
// such a step.
//   train_step [STEPS]
#include <fmt/core.h>

#include <cstdlib>

#include "benchmarks/bench_run.h"
#include "benchmarks/gemm_bound.h"
#include "models/families/gpt.h"
#include "models/families/model_config.h"
#include "models/layers/embedding.h"

namespace {

using namespace stagecraft;

constexpr std::int64_t kSamples = 4;
constexpr int kThreads = 2;

/// The minimum: 16 bytes a parameter, the second gradient of the tied embedding, 64 s b h bytes a
/// layer, and the logits.
double needed_bytes(const ModelSpec& model) {
  const ModelConfig& config = model.config;
  const auto rows = static_cast<double>(kSamples * config.sequence);
  const auto hidden = static_cast<double>(config.hidden);
  const auto vocab = static_cast<double>(padded_vocab(config.vocab, 1));
  return 16.0 * static_cast<double>(model.parameter_count()) + 4 * vocab * hidden +
         64 * rows * hidden * static_cast<double>(config.layers) + 4 * rows * vocab;
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t steps = argc > 1 ? std::atoll(argv[1]) : 10;
  const ModelConfig config = bench::gpt2_124m();
  const double before = bench::gemm_bound_seconds(config, kSamples, kThreads);
  const bench::Measured step = bench::measure(
      config, {}, {.global_batch = kSamples, .micro_batch = kSamples}, kThreads, steps);
  const double bound = (before + bench::gemm_bound_seconds(config, kSamples, kThreads)) / 2;
  const double needed = needed_bytes(gpt(config, 1));
  const auto peak = static_cast<double>(step.result.ranks.front().peak_bytes);
  fmt::print("seconds_per_step {:.4f}\n", step.step_seconds);
  fmt::print("tokens_per_second {:.1f}\n",
             static_cast<double>(kSamples * config.sequence) / step.step_seconds);
  fmt::print("gemm_bound_seconds {:.4f}\n", bound);
  fmt::print("ratio_to_gemm_bound {:.3f}   (limit 0.80)\n", bound / step.step_seconds);
  fmt::print("peak_mib {:.0f} needed_mib {:.0f} ratio {:.3f}   (limit 1.15)\n", peak / (1 << 20),
             needed / (1 << 20), peak / needed);
}
