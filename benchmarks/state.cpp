// Measures what reading the state of training costs one GPU: the hashes of all weights and moments,
// and snapshots, alone and beside training, each with its limit.
//   bench_state [STEPS = 16] [PRESET = gpt2-1558m] [MICRO_BATCH = 32] [GLOBAL_BATCH = 256]
// A snapshot follows every fourth step. Its cost is by how much the two steps behind it take longer
// than the other two.
#include <fmt/core.h>

#include <cstdlib>

#include "benchmarks/bench_run.h"
#include "benchmarks/forwarding_work.h"
#include "kernels/backends/make_stream.h"
#include "stages/execute/model_stage_work.h"
#include "tensor_parallel/comm/solo/solo_communicator.h"

namespace {

using namespace stagecraft;

constexpr Device kGpu{DeviceKind::cuda, 0};
constexpr std::int64_t kEvery = 4;    // steps
constexpr double kHashLimitMs = 20;   // of 1.5 G parameters on an H200
constexpr double kStallLimit = 0.05;  // of a step

double seconds_since(std::int64_t begin_ns) {
  return static_cast<double>(now_ns() - begin_ns) * 1e-9;
}

/// Takes pieces, and looks at none.
struct NullWriter : StateWriter {
  void write(const StatePiece& /*piece*/, std::span<const float> values) override {
    bytes += static_cast<std::int64_t>(values.size_bytes());
  }
  std::int64_t bytes = 0;
};

std::unique_ptr<StageWork> work_of(const TrainingPlan& plan) {
  MeshCommunicators alone{make_solo_communicator(), make_solo_communicator(),
                          make_solo_communicator()};
  WorkConfig config;
  config.snapshots = true;
  return std::make_unique<ModelStageWork>(plan, 0, make_stream(kGpu, {}), std::move(alone),
                                          TextData{}, config);
}

double hash_ms(StageWork& work) {
  std::vector<double> times;
  for (int round = 0; round < 10; ++round) {
    work.stream().synchronize();
    const std::int64_t begin = now_ns();
    work.start_hashing();
    work.stream().synchronize();
    times.push_back(1e3 * seconds_since(begin));
  }
  return bench::median(times);
}

struct SnapshotTimes {
  std::vector<double> call_ms, copy_seconds;
  std::int64_t bytes = 0;
};

SnapshotTimes snapshot_times(StageWork& work) {
  SnapshotTimes times;
  for (int round = 0; round < 5; ++round) {
    work.stream().synchronize();
    const std::int64_t begin = now_ns();
    const std::unique_ptr<StateSnapshot> snapshot = work.snapshot();
    times.call_ms.push_back(1e3 * seconds_since(begin));
    NullWriter writer;
    snapshot->write(writer);
    times.copy_seconds.push_back(seconds_since(begin));
    times.bytes = writer.bytes;
  }
  return times;
}

void measure_alone(const TrainingPlan& plan) {
  const std::int64_t begin = now_ns();
  const auto work = work_of(plan);
  work->stream().synchronize();
  const std::int64_t made = now_ns();
  const bool has_memory = work->snapshot() != nullptr;
  require(has_memory, "benchmark", "the host lacks {} bytes for a snapshot",
          snapshot_bytes(plan, 0));
  const auto bytes = static_cast<double>(snapshot_bytes(plan, 0));
  fmt::print(
      "pinned memory: {:.2f} GiB, there {:.2f} s after the parameters, which took {:.2f} s\n",
      bytes / (1 << 30), seconds_since(made), static_cast<double>(made - begin) * 1e-9);
  const double hash = hash_ms(*work);
  fmt::print("state hash: {:.2f} ms, {:.0f} GB/s, limit {:.0f} ms for 1.5 G parameters\n", hash,
             1e-6 * bytes / hash, kHashLimitMs);
  const SnapshotTimes times = snapshot_times(*work);
  fmt::print("snapshot: the call takes {:.2f} ms, the copy {:.3f} s, {:.1f} GB/s\n",
             bench::median(times.call_ms), bench::median(times.copy_seconds),
             1e-9 * static_cast<double>(times.bytes) / bench::median(times.copy_seconds));
}

/// Takes a snapshot behind every fourth update. The first one waits for the memory.
class SnapshotWork : public bench::ForwardingWork {
 public:
  using ForwardingWork::ForwardingWork;
  void update(const Update& update) override {
    ForwardingWork::update(update);
    if (update.step > 0 && update.step % kEvery == 0) {
      snapshot_.reset();
      snapshot_ = snapshot();
    }
  }

 private:
  std::unique_ptr<StateSnapshot> snapshot_;
};

struct StepTimes : RunObserver {
  void on_step(const StepReport& report) override {
    if (report.step > 2 * kEvery) {  // the first snapshot makes the memory
      ((report.step - 1) % kEvery < 2 ? behind : plain).push_back(report.seconds);
    }
  }
  std::vector<double> behind, plain;
};

void measure_training(const TrainingPlan& plan, std::int64_t steps) {
  RunConfig config;
  config.devices = {kGpu};
  config.optimizer.steps = 2 * kEvery + steps;
  config.options.watchdog_seconds = 600;
  config.wrap_work = [](int /*rank*/, std::unique_ptr<StageWork> real) {
    return std::make_unique<SnapshotWork>(std::move(real));
  };
  StepTimes times;
  const RunResult result =
      run_training(plan, config, bench::random_text(plan.model.sequence), {times});
  require(result.failure.empty(), "benchmark", "{}", result.failure);
  const double plain = bench::median(times.plain);
  const double cost = 2 * (bench::median(times.behind) - plain);
  fmt::print(
      "training: {:.3f} s a step; a snapshot costs {:.1f} ms, {:.2f} % of a step, limit "
      "{:.0f} %\n",
      plain, 1e3 * cost, 100 * cost / plain, 100 * kStallLimit);
}

void run(int count, char** words) {
  const auto number = [&](int index, std::int64_t otherwise) {
    return index < count ? std::atoll(words[index]) : otherwise;
  };
  ModelConfig config;
  config.preset = count > 2 ? words[2] : "gpt2-1558m";
  const TrainingPlan plan = make_plan(
      gpt(resolved(config, 256), 1), {},
      {.global_batch = number(4, 256), .micro_batch = number(3, 32), .precision = Precision::bf16});
  fmt::print("{}: {} parameters, {} tokens a step\n", config.preset, plan.model.parameter_count(),
             plan.batch.global_batch * plan.model.sequence);
  measure_alone(plan);
  measure_training(plan, number(1, 16));
}

}  // namespace

int main(int count, char** words) {
  try {
    run(count, words);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
