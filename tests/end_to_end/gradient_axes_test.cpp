// A layer that computes a part of a gradient on each tensor rank: its parameter is summed over both
// axes.
#include <catch2/catch.hpp>

#include "tests/end_to_end/small_run.h"

namespace stagecraft {
namespace {

using test::KeepingObserver;
using test::SmallRun;

constexpr const char* kParameter = "h.1.ln_2.weight";

/// Leaves half of the gradient of kParameter on each of two tensor ranks. Halves add up exactly.
class HalvedGradient : public Layer {
 public:
  HalvedGradient(std::unique_ptr<Layer> whole, UseIndex use)
      : whole_(std::move(whole)), use_(use) {}
  Tensor forward(LayerContext& context, Tensor x, Stash& stash) override {
    return whole_->forward(context, std::move(x), stash);
  }
  Tensor backward_input(LayerContext& context, Tensor dy, Stash& stash,
                        WeightStash& weights) override {
    Tensor dx = whole_->backward_input(context, std::move(dy), stash, weights);
    const Tensor& gradient = context.gradients.at(use_);
    auto* values = gradient.data<float>();
    for (std::int64_t i = 0; i < gradient.elements(); ++i) {
      values[i] *= 0.5F;
    }
    return dx;
  }

 private:
  std::unique_ptr<Layer> whole_;
  UseIndex use_;
};

/// The model of the run; one layer halves the gradient of kParameter.
ModelSpec halving_model(const SmallRun& run) {
  ModelSpec model = gpt(run.model, run.parallel.tensor);
  for (LayerSpec& layer : model.layers) {
    for (ParameterUse& use : layer.parameters) {
      if (use.parameter.name == kParameter) {
        use.parameter.summed_over = {.tensor = true, .data = true};
        layer.make = [make = layer.make](const LayerSetup& setup) {
          return std::make_unique<HalvedGradient>(make(setup),
                                                  setup.parameters.use(kParameter, ""));
        };
      }
    }
  }
  return model;
}

/// Each data rank has one micro-batch a step, since a gradient is halved when one was added.
std::string trained(SmallRun run, const ModelSpec& model, KeepingObserver& observer) {
  const TemporaryFolder folder;
  run.run.optimizer.steps = 5;
  run.run.model_folder = folder.path() / "model";
  run.batch = {.global_batch = run.parallel.data, .micro_batch = 1};
  const TrainingPlan plan = make_plan(model, run.parallel, run.batch);
  const RunResult result = run_training(plan, run.run, run.data(), {observer});
  REQUIRE(result.failure.empty());
  return read_file(run.run.model_folder / "model.safetensors");
}

TEST_CASE(
    "a parameter whose gradient is summed over tensor and data ranks trains to the same bits") {
  for (const ParallelConfig& parallel :
       {ParallelConfig{.tensor = 2, .data = 2}, ParallelConfig{.tensor = 2},
        ParallelConfig{.pipeline = 2, .tensor = 2, .data = 2}}) {
    SmallRun run;
    run.parallel = parallel;
    KeepingObserver whole;
    KeepingObserver halved;
    const std::string model = trained(run, gpt(run.model, 2), whole);
    CHECK(trained(run, halving_model(run), halved) == model);
    CHECK(halved.losses() == whole.losses());
  }
}

}  // namespace
}  // namespace stagecraft
