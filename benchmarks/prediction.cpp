// Compares simulate's prediction of a step with the measured step: the model of examples/first_run
// in two stages, for several schedules, with one thread for each actor.
//   bench_prediction [STEPS [ROUNDS]]
// Prints medians over the rounds; every round runs all schedules in turn.
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>

#include "actors/protocol/run_config.h"
#include "actors/protocol/run_report.h"
#include "benchmarks/bench_run.h"
#include "benchmarks/traced_run.h"
#include "launch/report/run_analysis.h"
#include "models/families/gpt.h"
#include "models/families/model_config.h"
#include "stages/explain/calibration.h"

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

/// Milliseconds, one value for each round. A prediction is compared with the steps of its own
/// round, which are a second or two away: other load on the machine changes less within a round
/// than between rounds.
struct Times {
  std::vector<double> measured;  // mean over the round's steps
  std::vector<double> ahead;     // predicted with the costs of the first steps
  std::vector<double> behind;    // predicted with the costs of the measured steps
};

void add_round(const Schedule& schedule, std::int64_t steps, Times& times) {
  const ModelConfig model = first_run();
  const TrainingPlan plan = make_plan(
      gpt(model, 1), {.pipeline = 2, .chunks = schedule.chunks, .schedule = schedule.name},
      {.global_batch = 16, .micro_batch = 2});
  RunConfig config;
  config.optimizer.steps = steps;
  bench::trace(config, steps);
  config.options.watchdog_seconds = 600;
  const RunResult result = run_training(plan, config, bench::random_text(model.sequence), {});
  require(result.failure.empty(), "benchmark", "{}", result.failure);
  const RunAnalysis analysis = bench::traced(plan);
  std::vector<StepTimeline> judged;
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

/// The errors of the predictions against their rounds' steps, in percent: the median and the
/// interquartile range.
std::string errors(const std::vector<double>& predicted, const std::vector<double>& measured) {
  std::vector<double> values;
  for (std::size_t round = 0; round < measured.size(); ++round) {
    values.push_back(100 * (predicted[round] / measured[round] - 1));
  }
  std::ranges::sort(values);
  const std::size_t quarter = values.size() / 4;
  return fmt::format("{:+.1f} ({:+.1f} .. {:+.1f})", bench::median(values), values[quarter],
                     values[values.size() - 1 - quarter]);
}

/// The median over the rounds of `a` divided by `b` of the same round.
double ratio_of(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> ratios;
  for (std::size_t round = 0; round < a.size(); ++round) {
    ratios.push_back(a[round] / b[round]);
  }
  return bench::median(std::move(ratios));
}

/// Among the pairs of schedules whose steps differ by more than 5 %, prints those that are
/// predicted in the wrong order.
void print_ranking(const std::vector<Times>& times, const char* name,
                   std::vector<double> Times::*predicted) {
  constexpr double kDiffer = 1.05;
  int pairs = 0;
  std::string wrong;
  for (std::size_t i = 0; i < times.size(); ++i) {
    for (std::size_t j = 0; j < times.size(); ++j) {
      if (ratio_of(times[i].measured, times[j].measured) > kDiffer) {
        ++pairs;
        if (ratio_of(times[i].*predicted, times[j].*predicted) <= 1) {
          wrong += fmt::format(" {} before {}", kSchedules[i].name, kSchedules[j].name);
        }
      }
    }
  }
  fmt::print("ranking {}: {} pairs differ by more than 5 %, predicted in the wrong order:{}\n",
             name, pairs, wrong.empty() ? " none" : wrong);
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
  fmt::print("{:<14}{:>10}{:>26}{:>26}\n", "schedule", "step ms", "% from steps 2-4",
             "% from the same steps");
  for (std::size_t i = 0; i < std::size(kSchedules); ++i) {
    fmt::print("{:<14}{:>10.1f}{:>26}{:>26}\n", kSchedules[i].name,
               bench::median(times[i].measured), errors(times[i].ahead, times[i].measured),
               errors(times[i].behind, times[i].measured));
  }
  print_ranking(times, "from steps 2-4", &Times::ahead);
  print_ranking(times, "from the same steps", &Times::behind);
}
