// Shared by the training benchmarks: GPT-2 124M on random tokens, and the medians of its steps.
#pragma once

#include <functional>
#include <vector>

#include "actors/protocol/run_config.h"
#include "actors/protocol/run_report.h"
#include "actors/run/run_training.h"
#include "benchmarks/gpt2_124m.h"
#include "benchmarks/measure.h"
#include "kernels/base/random.h"
#include "models/families/gpt.h"
#include "models/families/model_config.h"

namespace stagecraft::bench {

inline TextData random_text(std::int64_t sequence) {
  std::vector<std::uint8_t> tokens(1 << 20);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = static_cast<std::uint8_t>(
        random_block({.key = 7}, static_cast<std::uint32_t>(i))[0] & 0xFF);
  }
  return {.train = std::make_shared<TokenDataset>(std::move(tokens), sequence), .validation = {}};
}

struct Measured {
  RunResult result;
  double step_seconds = 0;  // median, without warm-up
};

/// The function that runs a plan: run_training, or one with a process for each rank.
using Runner = std::function<RunResult(const TrainingPlan&, const RunConfig&, const TextData&,
                                       const RunObservers&)>;

/// Runs two warm-up steps and then `steps` measured steps. Throws Error if the run fails.
inline Measured measure(const ModelConfig& model, const ParallelConfig& parallel,
                        const BatchConfig& batch, int threads, std::int64_t steps,
                        const Runner& runner = run_training,
                        const std::vector<Device>& devices = {{}}) {
  struct Observer : RunObserver {
    void on_step(const StepReport& report) override { seconds.push_back(report.seconds); }
    std::vector<double> seconds;
  } observer;
  constexpr std::int64_t kWarmup = 2;
  RunConfig config;
  config.optimizer.steps = steps + kWarmup;
  config.devices = devices;
  config.threads = threads;
  config.options.watchdog_seconds = 600;
  Measured measured;
  measured.result = runner(make_plan(gpt(model, parallel.tensor), parallel, batch), config,
                           random_text(model.sequence), {observer});
  require(measured.result.failure.empty(), "benchmark", "{}", measured.result.failure);
  measured.step_seconds = median({observer.seconds.begin() + kWarmup, observer.seconds.end()});
  return measured;
}

}  // namespace stagecraft::bench
