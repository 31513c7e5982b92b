// Runs the engine with operations that do nothing.
#pragma once

#include <fmt/core.h>

#include "actors/protocol/run_config.h"
#include "actors/protocol/run_report.h"
#include "benchmarks/bench_run.h"
#include "benchmarks/forwarding_work.h"
#include "models/families/gpt.h"
#include "models/families/model_config.h"
#include "stages/channels/pass.h"

namespace stagecraft::bench {

/// Owns the real work with its parameters, but computes nothing. Transfers have one element.
class IdleWork : public ForwardingWork {
 public:
  using ForwardingWork::ForwardingWork;
  void begin(const Pass& /*pass*/, const LossCounts& /*counts*/) override {}
  void run(const Instruction& /*instruction*/) override {}
  Tensor take_output(const Instruction& /*send*/) override {
    return {stream().memory(), {1}, DType::float32, MemoryLabel::workspace};
  }
  void put_input(const Instruction& /*receive*/, Tensor /*tensor*/) override {}
  bool await_reductions() override { return false; }
  PassResults results() override { return {}; }
  void update(const Update& /*update*/) override {}
};

/// A pipeline of tiny stages, with four micro-batches for each stage.
inline TrainingPlan idle_plan(int stages) {
  ModelConfig model;
  model.layers = stages;
  model.hidden = 8;
  model.heads = 1;
  model.sequence = 8;
  model.vocab = 256;
  return make_plan(gpt(model, 1), {.pipeline = stages},
                   {.global_batch = 4 * stages, .micro_batch = 1});
}

/// Prints microseconds per instruction over `steps` steps.
inline void print_idle_run(const char* name, const TrainingPlan& plan, std::int64_t steps,
                           const Runner& runner) {
  std::int64_t instructions = 0;
  for (const StageProgram& stage : plan.program.stages) {
    for (const TransferGroup& group : stage) {
      instructions += static_cast<std::int64_t>(group.size());
    }
  }
  RunConfig config;
  config.optimizer.steps = steps;
  config.wrap_work = [](int, std::unique_ptr<StageWork> real) -> std::unique_ptr<StageWork> {
    return std::make_unique<IdleWork>(std::move(real));
  };
  const RunResult result = runner(plan, config, random_text(8), {});
  require(result.failure.empty(), "benchmark", "{}", result.failure);
  fmt::print(
      "{}, pipeline {}: {} instructions a step, {:.2f} us per instruction, {:.1f} us a step\n",
      name, plan.mesh.pipeline, instructions,
      result.seconds * 1e6 / static_cast<double>(instructions * steps),
      result.seconds * 1e6 / static_cast<double>(steps));
}

}  // namespace stagecraft::bench
