// Compares the host's time to issue a GPU's instructions with the device's time to execute them,
// and measures the exposed communication: GPT-2 124M in bfloat16, 8 micro-batches a step, actors in
// one process (`local`) that share one GPU or have one each.
//   bench_issue [STEPS = 6]
#include <fmt/core.h>

#include <cstdlib>
#include <map>

#include "actors/protocol/run_config.h"
#include "actors/protocol/run_report.h"
#include "benchmarks/bench_run.h"
#include "benchmarks/forwarding_work.h"
#include "benchmarks/traced_run.h"
#include "kernels/backends/host_devices.h"
#include "kernels/core/device_report.h"
#include "launch/report/run_analysis.h"
#include "models/families/gpt.h"
#include "models/families/model_config.h"
#include "stages/channels/pass.h"
#include "stages/explain/explain.h"
#include "stages/program/edge.h"

namespace {

using namespace stagecraft;

constexpr std::int64_t kMicrobatches = 8;
/// An instruction is launch-bound if its issue takes at least this share of its time on the device.
constexpr double kLaunchBound = 0.9;

using Key = std::pair<std::string, std::int64_t>;  // instruction, step

/// Records the host time of each instruction of one rank, in seconds.
class TimedWork : public bench::ForwardingWork {
 public:
  TimedWork(std::unique_ptr<StageWork> real, std::map<Key, double>& seconds)
      : ForwardingWork(std::move(real)), seconds_(seconds) {}
  void begin(const Pass& pass, const LossCounts& counts) override {
    step_ = pass.step;
    ForwardingWork::begin(pass, counts);
  }
  void run(const Instruction& i) override {
    const std::int64_t begin = now_ns();
    ForwardingWork::run(i);
    seconds_[{to_string(i), step_}] = static_cast<double>(now_ns() - begin) * 1e-9;
  }

 private:
  std::map<Key, double>& seconds_;
  std::int64_t step_ = 0;
};

/// The times of instructions of one kind.
struct Kind {
  std::vector<double> host_us, device_us;
};

struct Outcome {
  std::map<Op, Kind> kinds;
  std::int64_t launch_bound = 0, instructions = 0;
  double step_ms = 0, communication = 0, idle = 0;  // sums over steps; shares are means of ranks
  int steps = 0;
};

void add_step(const TrainingPlan& plan, const StepTimeline& step,
              const std::vector<std::map<Key, double>>& host, Outcome& outcome) {
  const Explanation explanation = explain_step(plan.program, plan.mesh, step, kReceiveSlots);
  ++outcome.steps;
  outcome.step_ms += step.duration;
  for (std::size_t rank = 0; rank < step.ranks.size(); ++rank) {
    const double share = 1 / (step.duration * static_cast<double>(step.ranks.size()));
    outcome.communication += explanation.ranks[rank].communication * share;
    outcome.idle += explanation.ranks[rank].idle * share;
    for (const Action& action : step.ranks[rank].actions) {
      if (is_compute(action.instruction.op)) {
        const double host_us = 1e6 * host[rank].at({to_string(action.instruction), step.step});
        const double device_us = 1e3 * (action.end - action.begin);
        outcome.kinds[action.instruction.op].host_us.push_back(host_us);
        outcome.kinds[action.instruction.op].device_us.push_back(device_us);
        outcome.launch_bound += host_us >= kLaunchBound * device_us ? 1 : 0;
        ++outcome.instructions;
      }
    }
  }
}

Outcome outcome_of(const ParallelConfig& parallel, std::int64_t micro_batch, int gpus,
                   std::int64_t steps) {
  ModelConfig config;
  config.preset = "gpt2-124m";
  const ModelConfig model = resolved(config, 256);
  const TrainingPlan plan = make_plan(gpt(model, parallel.tensor), parallel,
                                      {.global_batch = kMicrobatches * micro_batch,
                                       .micro_batch = micro_batch,
                                       .precision = Precision::bf16});
  std::vector<std::map<Key, double>> host(static_cast<std::size_t>(plan.mesh.ranks()));
  RunConfig run;
  run.devices.clear();
  for (int index = 0; index < gpus; ++index) {
    run.devices.push_back({DeviceKind::cuda, index});
  }
  run.optimizer.steps = steps + 1;
  bench::trace(run, steps + 1);
  run.prime = true;
  run.options.watchdog_seconds = 600;
  run.wrap_work = [&](int rank, std::unique_ptr<StageWork> real) {
    return std::make_unique<TimedWork>(std::move(real), host[static_cast<std::size_t>(rank)]);
  };
  const RunResult result = run_training(plan, run, bench::random_text(model.sequence), {});
  require(result.failure.empty(), "benchmark", "{}", result.failure);
  LaunchConfig session;
  session.trace_calibrate = false;
  Outcome outcome;
  for (const StepTimeline& step : bench::traced(plan, session).steps) {
    if (step.step > 1) {
      add_step(plan, step, host, outcome);
    }
  }
  require(outcome.steps > 0, "benchmark", "no step has a complete trace");
  return outcome;
}

void print_outcome(const ParallelConfig& parallel, std::int64_t micro_batch, int gpus,
                   const Outcome& outcome) {
  const double steps = outcome.steps;
  fmt::print(
      "pipeline {} x tensor {}, micro-batch {}, {} GPU{}: step {:.1f} ms, exposed communication "
      "{:.1f} %, idle {:.1f} %, launch-bound {:.0f} % of the instructions\n",
      parallel.pipeline, parallel.tensor, micro_batch, gpus, gpus == 1 ? "" : "s",
      outcome.step_ms / steps, 100 * outcome.communication / steps, 100 * outcome.idle / steps,
      100.0 * static_cast<double>(outcome.launch_bound) /
          static_cast<double>(outcome.instructions));
  for (const auto& [op, kind] : outcome.kinds) {
    const double host = bench::median(kind.host_us);
    const double device = bench::median(kind.device_us);
    fmt::print("  {}: issued in {:.0f} us, carried out in {:.0f} us ({:.2f})\n", letters(op), host,
               device, host / device);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t steps = argc > 1 ? std::atoll(argv[1]) : 6;
  const DeviceCensus census = count_devices(DeviceKind::cuda);
  if (census.count == 0) {
    fmt::print(stderr, "no GPU: {}\n", census.why_none);
    return 2;
  }
  for (const std::int64_t micro_batch : {1, 8, 32}) {
    for (const ParallelConfig& parallel :
         {ParallelConfig{}, ParallelConfig{.pipeline = 2}, ParallelConfig{.tensor = 2}}) {
      const int actors = parallel.pipeline * parallel.tensor;
      for (int gpus = 1; gpus <= std::min(census.count, actors); ++gpus) {
        print_outcome(parallel, micro_batch, gpus, outcome_of(parallel, micro_batch, gpus, steps));
      }
    }
  }
  return 0;
}
