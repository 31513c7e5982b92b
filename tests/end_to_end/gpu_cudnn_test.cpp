// Training in bfloat16 at sizes whose attention is cuDNN's and whose largest products have a chosen
// algorithm: both are taken in both directions, and neither pipeline nor schedule changes a bit.
// Skipped where there is no GPU, or no cuDNN in this build.
#include <fmt/core.h>

#include <catch2/catch.hpp>
#include <optional>

#include "actors/protocol/run_report.h"
#include "kernels/backends/host_devices.h"
#include "tests/conformance/devices.h"
#include "tests/end_to_end/outcome.h"

namespace stagecraft {
namespace {

using test::KeepingObserver;
using test::SmallRun;

/// Why cuDNN cannot be tested here; empty: it can.
std::string why_no_cudnn() {
  for (const NamedFact& part : report_backend(DeviceKind::cuda).parts) {
    if (part.name == "cuDNN") {
      return part.value.starts_with("not in this build") ? part.value : "";
    }
  }
  return "no CUDA in this build";
}

const std::vector<testing::Placement>& gpus() {
  static const std::vector<testing::Placement> found = [] {
    const std::string reason = why_no_cudnn();
    if (testing::gpu_placements().empty() || reason.empty()) {
      return testing::gpu_placements();
    }
    fmt::print("skipped, no cuDNN ({})\n", reason);  // ctest looks for this text
    return std::vector<testing::Placement>{};
  }();
  return found;
}

constexpr std::int64_t kMicrobatches = 4;

/// Heads of 64 numbers. The two products of an MLP have 4.3e9 multiplications and additions a
/// micro-batch, more than the limit from which an algorithm is chosen (matmul_plan.cpp).
SmallRun large_run(double dropout, const std::vector<Device>& devices) {
  SmallRun run;
  run.model.hidden = 256;
  run.model.heads = 4;
  run.model.sequence = 512;
  run.model.dropout = dropout;
  run.batch = {.global_batch = 16 * kMicrobatches, .micro_batch = 16};
  run.batch.precision = Precision::bf16;
  run.run.optimizer.steps = 3;
  run.run.devices = devices;
  run.run.prime = true;
  run.train_bytes = static_cast<std::size_t>(run.model.sequence * run.batch.global_batch * 2 + 1);
  run.validation_bytes = static_cast<std::size_t>(run.model.sequence * run.batch.global_batch + 1);
  return run;
}

StreamUse sum_of_uses(const std::vector<RankReport>& ranks) {
  StreamUse sum;
  for (const RankReport& rank : ranks) {
    for (const auto counter :
         {&StreamUse::library_attention_forwards, &StreamUse::library_attention_backwards,
          &StreamUse::own_attentions, &StreamUse::chosen_products}) {
      sum.*counter += rank.use.*counter;
    }
  }
  return sum;
}

/// Forwards run in every step and in the one batch of the evaluation at the end.
void check_ways(const SmallRun& run, const std::vector<RankReport>& ranks) {
  const std::int64_t backwards = run.model.layers * run.run.optimizer.steps * kMicrobatches;
  const std::int64_t forwards = backwards + run.model.layers * kMicrobatches;
  const StreamUse use = sum_of_uses(ranks);
  CHECK(use.library_attention_forwards == forwards);
  CHECK(use.library_attention_backwards == backwards);
  CHECK(use.own_attentions == 0);
  // Of an MLP: two of the forward, and two gradients of inputs. cublasLt may divide K for the
  // gradients of weights, and then nothing is chosen for these.
  CHECK(use.chosen_products >= 2 * forwards + 2 * backwards);
  CHECK(use.chosen_products <= 2 * forwards + 4 * backwards);
}

/// Trains and returns what no split may change.
test::Outcome checked_outcome(SmallRun run) {
  const TemporaryFolder folder;
  run.run.model_folder = folder.path() / "model";
  KeepingObserver observer;
  const RunResult result = run_training(run.plan(), run.run, run.data(), {observer});
  REQUIRE(result.failure == "");
  check_ways(run, result.ranks);
  return {read_file(run.run.model_folder / "model.safetensors"), observer.steps.front().step,
          observer.losses(), observer.validation_loss()};
}

void check_splits(double dropout) {
  std::optional<test::Outcome> reference;
  for (const testing::Placement& placement : gpus()) {
    SmallRun run = large_run(dropout, placement.devices);
    for (const ParallelConfig& split :
         {ParallelConfig{}, ParallelConfig{.pipeline = 2, .schedule = "1f1b"},
          ParallelConfig{.pipeline = 2, .schedule = "gpipe"},
          ParallelConfig{.pipeline = 2, .schedule = "zb-h1"},
          ParallelConfig{.pipeline = 2, .chunks = 2, .schedule = "interleaved"},
          ParallelConfig{.pipeline = 2, .chunks = 2, .schedule = "zb-v"}}) {
      INFO(placement.name << ", " << split.schedule << ", dropout " << dropout);
      run.parallel = split;
      const test::Outcome outcome = checked_outcome(run);
      reference = reference ? reference : outcome;
      test::check_same(outcome, *reference);
    }
  }
}

}  // namespace

TEST_CASE("cuDNN's attention and chosen products: pipeline and schedule change no bit") {
  check_splits(0);
}

TEST_CASE("cuDNN's attention with dropout: pipeline and schedule change no bit") {
  check_splits(0.1);
}

TEST_CASE("cuDNN's attention and chosen products have the losses of float32 on the CPU") {
  if (!gpus().empty()) {
    SmallRun run = large_run(0, gpus().front().devices);
    run.run.optimizer.steps = 2;  // the CPU takes its time
    const test::Outcome gpu = checked_outcome(run);
    run.run.devices = {{}};
    run.run.threads = 8;
    run.batch.precision = Precision::float32;
    const test::Outcome cpu = test::outcome_of(run);
    REQUIRE(gpu.losses.size() == cpu.losses.size());
    for (std::size_t step = 0; step < cpu.losses.size(); ++step) {
      CHECK(gpu.losses[step] == Approx(cpu.losses[step]).epsilon(1e-2));
    }
  }
}

}  // namespace stagecraft
