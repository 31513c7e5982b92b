// Training on GPUs: the CPU's losses, and bits that neither pipeline nor schedule changes. Skipped
// where there is no GPU.
#include <catch2/catch.hpp>

#include "actors/protocol/run_report.h"
#include "kernels/backends/make_stream.h"
#include "kernels/ops/elementwise.h"
#include "stages/channels/pass.h"
#include "tests/actors/memory_trace.h"
#include "tests/conformance/devices.h"
#include "tests/end_to_end/faulty_work.h"
#include "tests/end_to_end/outcome.h"

namespace stagecraft {
namespace {

using test::KeepingObserver;
using test::SmallRun;

SmallRun run_on(const std::vector<Device>& devices) {
  SmallRun run;
  run.model.dropout = 0.1;
  run.run.devices = devices;
  return run;
}

std::vector<ParallelConfig> meshes_of_two() {
  std::vector<ParallelConfig> meshes;
  for (int bits = 0; bits < 8; ++bits) {
    meshes.push_back({.pipeline = 1 + bits / 4, .tensor = 1 + bits / 2 % 2, .data = 1 + bits % 2});
  }
  return meshes;
}

struct Tolerance {
  double loss;
  double gradient_norm;
};

void check_losses(const KeepingObserver& gpu, const KeepingObserver& cpu,
                  const Tolerance& within = {1e-4, 1e-3}) {
  REQUIRE(gpu.steps.size() == cpu.steps.size());
  for (std::size_t step = 0; step < cpu.steps.size(); ++step) {
    CHECK(gpu.steps[step].loss == Approx(cpu.steps[step].loss).epsilon(within.loss));
    CHECK(gpu.steps[step].gradient_norm ==
          Approx(cpu.steps[step].gradient_norm).epsilon(within.gradient_norm));
  }
  CHECK(*gpu.validation_loss() == Approx(*cpu.validation_loss()).epsilon(within.loss));
}

TEST_CASE("twenty steps on GPUs have the CPU's losses, on every mesh of ones and twos") {
  for (const testing::Placement& placement : testing::gpu_placements()) {
    for (const ParallelConfig& mesh : meshes_of_two()) {
      INFO(placement.name << ", " << mesh.pipeline << " x " << mesh.tensor << " x " << mesh.data);
      SmallRun run = run_on({{}});
      run.parallel = mesh;
      KeepingObserver cpu;
      test::trained_bytes(run, cpu);
      run.run.devices = placement.devices;
      KeepingObserver gpu;
      test::trained_bytes(run, gpu);
      check_losses(gpu, cpu);
    }
  }
}

TEST_CASE("twenty steps in bfloat16 have the losses of float32 on the CPU, on every mesh") {
  for (const testing::Placement& placement : testing::gpu_placements()) {
    for (const ParallelConfig& mesh : meshes_of_two()) {
      INFO(placement.name << ", " << mesh.pipeline << " x " << mesh.tensor << " x " << mesh.data);
      SmallRun run = run_on({{}});
      run.model.dropout = 0;  // cuDNN draws masks of its own
      run.parallel = mesh;
      KeepingObserver cpu;
      test::trained_bytes(run, cpu);
      run.run.devices = placement.devices;
      run.batch.precision = Precision::bf16;
      KeepingObserver gpu;
      test::trained_bytes(run, gpu);
      check_losses(gpu, cpu, {1e-2, 1e-1});
    }
  }
}

TEST_CASE("in bfloat16 pipeline and schedule change no bit of the model") {
  for (const testing::Placement& placement : testing::gpu_placements()) {
    SmallRun run = run_on(placement.devices);
    run.batch.precision = Precision::bf16;
    const test::Outcome reference = test::outcome_of(run);
    for (const char* schedule : {"gpipe", "1f1b", "zb-h1"}) {
      INFO(placement.name << ", " << schedule);
      run.parallel = {.pipeline = 2, .schedule = schedule};
      test::check_same(test::outcome_of(run), reference);
    }
  }
}

TEST_CASE("on a GPU pipeline and schedule change no bit of the model") {
  for (const testing::Placement& placement : testing::gpu_placements()) {
    INFO(placement.name);
    SmallRun run = run_on(placement.devices);
    run.run.optimizer.steps = 8;
    test::check_every_schedule(run);
  }
}

TEST_CASE("a mesh on GPUs keeps its bits from run to run") {
  for (const testing::Placement& placement : testing::gpu_placements()) {
    SmallRun run = run_on(placement.devices);
    run.parallel = {.pipeline = 2, .tensor = 2, .data = 2};
    const test::Outcome reference = test::outcome_of(run);
    for (int again = 0; again < 5; ++again) {
      test::check_same(test::outcome_of(run), reference);
    }
  }
}

/// The run's reports by rank. The run must succeed.
std::vector<RankReport> reports_of(const SmallRun& run) {
  KeepingObserver observer;
  RunResult result = run_training(run.plan(), run.run, run.data(), {observer});
  REQUIRE(result.failure == "");
  return std::move(result.ranks);
}

TEST_CASE("after the priming step a step waits once and does not call the device's allocator") {
  constexpr std::int64_t kSteps = 12;
  for (const testing::Placement& placement : testing::gpu_placements()) {
    for (const char* schedule : {"1f1b", "gpipe", "zb-h1"}) {
      SmallRun run = run_on(placement.devices);
      run.run.prime = true;
      run.run.optimizer.steps = kSteps;
      run.parallel = {.pipeline = 2, .tensor = 2, .data = 2, .schedule = schedule};
      const std::int64_t batch = run.batch.global_batch;
      const std::int64_t batches = (run.data().validation->samples() + batch - 1) / batch;
      for (const RankReport& rank : reports_of(run)) {
        INFO(placement.name << ", " << schedule << ", rank " << rank.rank);
        CHECK(rank.use.memory_calls == 0);
        const bool has_squares = rank.coordinate.data == 0;
        const bool has_losses = rank.coordinate.pipeline == 1 && rank.coordinate.tensor == 0;
        CHECK(rank.use.full_waits ==
              (has_squares || has_losses ? kSteps : 0) + (has_losses ? batches : 0));
      }
    }
  }
}

TEST_CASE("a priming step changes no bit on a GPU") {
  for (const testing::Placement& placement : testing::gpu_placements()) {
    SmallRun run = run_on(placement.devices);
    run.parallel = {.pipeline = 2, .tensor = 2};
    const test::Outcome without = test::outcome_of(run);
    run.run.prime = true;
    test::check_same(test::outcome_of(run), without);
  }
}

TEST_CASE("spans of a GPU's work follow each other within the run") {
  for (const testing::Placement& placement : testing::gpu_placements()) {
    SmallRun run = run_on(placement.devices);
    run.parallel.pipeline = 2;
    run.run.prime = true;
    const auto trace = std::make_shared<test::MemoryTrace>();
    run.run.trace_steps = 3;
    run.run.trace_sink = test::sinks_of(trace);
    const std::int64_t begin = now_ns();
    const std::vector<RankReport> ranks = reports_of(run);
    const std::int64_t end = now_ns();
    for (const RankReport& rank : ranks) {
      INFO(placement.name << ", rank " << rank.rank);
      std::int64_t last = begin;
      int seen = 0;
      for (const Span& span : trace->spans(rank.rank)) {
        if (span.lane == Lane::compute) {
          CHECK(span.begin_ns >= last);
          CHECK(span.end_ns > span.begin_ns);
          last = span.end_ns;
          ++seen;
        }
      }
      CHECK(last <= end);
      CHECK(seen >= 3 * 2 * 8);  // a forward and a backward of each of eight micro-batches
      CHECK(rank.compute_seconds > 0);
    }
  }
}

TEST_CASE("a full GPU ends the run with a named cause and the bytes") {
  for (const testing::Placement& placement : testing::gpu_placements()) {
    const auto other = make_stream(placement.at(0), {});
    std::vector<std::shared_ptr<Buffer>> taken;
    try {
      while (true) {
        taken.push_back(other->memory().allocate(std::int64_t{1} << 30, MemoryLabel::workspace));
      }
    } catch (const Error&) {  // less than a GiB is left
    }
    SmallRun run = run_on({placement.at(0)});
    run.model.layers = 8;
    run.model.hidden = 1056;
    KeepingObserver observer;
    const RunResult result = run_training(run.plan(), run.run, run.data(), {observer});
    CAPTURE(result.failure);
    for (const char* word : {"stage 0, rank 0", "cuda:0 has no", "bytes in one piece left",
                             "this stream holds", "need less"}) {
      CHECK_THAT(result.failure, Catch::Contains(word));
    }
  }
}

/// An address without memory.
class WildPool : public MemoryPool {
 public:
  void* take(std::int64_t /*bytes*/) override { return reinterpret_cast<void*>(0x10000); }
  void give_back(void* /*data*/, std::int64_t /*bytes*/) noexcept override {}
};

/// The process cannot use the device afterwards, so this test runs alone (gpu_failing_kernel).
TEST_CASE("a kernel that fails ends the run with a named cause", "[.failing]") {
  for (const testing::Placement& placement : testing::gpu_placements()) {
    SmallRun run = run_on({placement.at(0)});
    run.run.wrap_work = [](int /*rank*/, std::unique_ptr<StageWork> real) {
      StageWork& work = *real;
      const auto inject = [&work](const Pass& pass, const Instruction& at) {
        if (pass.step == 2 && at == Instruction{Op::backward, 0, 3}) {
          MemoryResource wild(std::make_shared<WildPool>(), std::make_shared<MemoryAccount>());
          const Tensor nowhere(wild, {1000}, DType::float32, MemoryLabel::workspace);
          add(work.stream(), {nowhere, nowhere, nowhere});
        }
      };
      return std::make_unique<test::FaultyWork>(std::move(real), inject);
    };
    KeepingObserver observer;
    const RunResult result = run_training(run.plan(), run.run, run.data(), {observer});
    CAPTURE(result.failure);
    for (const char* word :
         {"stage 0, rank 0", "step 2", "cuda:0", "cudaErrorIllegalAddress", "compute-sanitizer"}) {
      CHECK_THAT(result.failure, Catch::Contains(word));
    }
    break;  // this process can no longer use the device
  }
}

}  // namespace
}  // namespace stagecraft
