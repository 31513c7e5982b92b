// The engine alone: programs whose operations do nothing, microseconds per instruction.
//   engine [STEPS]
#include <fmt/core.h>

#include <cstdlib>

#include "benchmarks/bench_run.h"

namespace {

using namespace stagecraft;

/// Holds the real work, which holds the parameters, and does nothing; tensors of one number travel.
class IdleWork : public StageWork {
 public:
  explicit IdleWork(std::unique_ptr<StageWork> real) : real_(std::move(real)) {}
  Stream& stream() override { return real_->stream(); }
  void begin(const Pass&) override {}
  void run(const Instruction&) override {}
  Tensor take_output(const Instruction&) override {
    return {stream().memory(), {1}, DType::float32, MemoryLabel::workspace};
  }
  void put_input(const Instruction&, Tensor) override {}
  PassResults results() override { return {}; }
  void update(const Update&) override {}

 private:
  std::unique_ptr<StageWork> real_;
};

struct Silent : RunObserver {
  void on_step(const StepReport&) override {}
};

void measure(int stages, std::int64_t steps) {
  ModelConfig model;
  model.layers = stages;
  model.hidden = 8;
  model.heads = 1;
  model.sequence = 8;
  model.vocab = 256;
  const TrainingPlan plan = make_plan(gpt(model, 1), {.pipeline = stages},
                                      {.global_batch = 4 * stages, .micro_batch = 1});
  std::int64_t instructions = 0;
  for (const StageProgram& stage : plan.program.stages) {
    for (const Group& group : stage) {
      instructions += static_cast<std::int64_t>(group.size());
    }
  }
  RunConfig config;
  config.optimizer.steps = steps;
  config.wrap_work = [](int, std::unique_ptr<StageWork> real) -> std::unique_ptr<StageWork> {
    return std::make_unique<IdleWork>(std::move(real));
  };
  Silent observer;
  const RunResult result = run_training(plan, config, bench::random_text(8), observer);
  require(result.failure.empty(), "benchmark", "{}", result.failure);
  fmt::print("pipeline {}: {} instructions a step, {:.2f} us per instruction, {:.1f} us a step\n",
             stages, instructions, result.seconds * 1e6 / static_cast<double>(instructions * steps),
             result.seconds * 1e6 / static_cast<double>(steps));
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t steps = argc > 1 ? std::atoll(argv[1]) : 200;
  for (const int stages : {2, 4, 8}) {
    measure(stages, steps);
  }
}
