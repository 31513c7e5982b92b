// What simulate says of a step beside what it takes: the model of examples/first_run in two stages,
// over schedules, one thread an actor.
//   bench_prediction [STEPS [ROUNDS]]
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>

#include "benchmarks/bench_run.h"
#include "launch/run_analysis.h"
#include "stages/calibrate.h"

namespace {

using namespace stagecraft;

struct Schedule {
  const char* name;
  int chunks;
};
constexpr Schedule kSchedules[] = {{"1f1b", 1},       {"gpipe", 1}, {"interleaved", 2},
                                   {"looped-bfs", 2}, {"zb-h1", 1}, {"zb-h2", 1},
                                   {"zb-v", 2}};

ModelConfig first_run() {
  ModelConfig config;
  config.layers = 4;
  config.hidden = 256;
  config.heads = 4;
  config.sequence = 128;
  config.vocab = 256;
  return config;
}

/// Milliseconds, medians over rounds of means over a round's steps.
struct Times {
  std::vector<double> measured;
  std::vector<double> ahead;   // from the first steps' costs
  std::vector<double> behind;  // from the costs of the measured steps themselves
};

void add_round(const Schedule& schedule, std::int64_t steps, Times& times) {
  const ModelConfig model = first_run();
  const TrainingPlan plan = make_plan(
      gpt(model, 1), {.pipeline = 2, .chunks = schedule.chunks, .schedule = schedule.name},
      {.global_batch = 16, .micro_batch = 2});
  struct Silent : RunObserver {
    void on_step(const StepReport& /*report*/) override {}
  } observer;
  RunConfig config;
  config.optimizer.steps = steps;
  config.trace_steps = steps;
  config.watchdog_seconds = 600;
  const RunResult result = run_training(plan, config, bench::random_text(model.sequence), observer);
  require(result.failure.empty(), "benchmark", "{}", result.failure);
  const RunAnalysis analysis = analyse(plan, {}, result);
  std::vector<StepActions> judged;
  double sum = 0;
  for (const std::size_t position : analysis.judged) {
    judged.push_back(analysis.steps[position]);
    sum += judged.back().duration;
  }
  times.measured.push_back(sum / static_cast<double>(judged.size()));
  times.ahead.push_back(analysis.prediction->timeline.makespan);
  times.behind.push_back(
      simulate(plan.program, calibrate(plan.program, plan.mesh, judged)).makespan);
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t steps = argc > 1 ? std::atoll(argv[1]) : 12;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 1;
  std::vector<Times> times(std::size(kSchedules));
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < std::size(kSchedules); ++i) {
      add_round(kSchedules[i], steps, times[i]);
    }
  }
  fmt::print("{:<14}{:>10}{:>20}{:>24}\n", "schedule", "step ms", "from steps 2-4",
             "from the same steps");
  for (std::size_t i = 0; i < std::size(kSchedules); ++i) {
    const double measured = bench::median(times[i].measured);
    const double ahead = bench::median(times[i].ahead);
    const double behind = bench::median(times[i].behind);
    fmt::print("{:<14}{:>10.1f}{:>11.1f} {:+7.1f} %{:>14.1f} {:+7.1f} %\n", kSchedules[i].name,
               measured, ahead, 100 * (ahead / measured - 1), behind,
               100 * (behind / measured - 1));
  }
}
