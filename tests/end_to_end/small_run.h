// Small real runs: run_training trains a GPT on a generated text.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "actors/protocol/run_config.h"
#include "actors/protocol/run_report.h"
#include "actors/run/run_training.h"
#include "kernels/base/file.h"
#include "models/families/gpt.h"
#include "models/families/model_config.h"
#include "tests/temporary_folder.h"

namespace stagecraft::test {

/// Words repeat in a pattern, so that the model can learn something.
inline std::vector<std::uint8_t> made_up_text(std::size_t bytes) {
  const std::vector<std::string> words = {"stage ", "micro ", "batch ", "pipe ", "tensor\n"};
  std::string text;
  for (std::size_t i = 0; text.size() < bytes; ++i) {
    text += words[(i * i + i / 3) % words.size()];
  }
  return {text.begin(), text.begin() + static_cast<std::ptrdiff_t>(bytes)};
}

/// The settings of a small run; every field may be changed.
struct SmallRun {
  ModelConfig model;
  ParallelConfig parallel;
  BatchConfig batch{.global_batch = 8, .micro_batch = 1};
  RunConfig run;
  std::size_t train_bytes = 4000;
  std::size_t validation_bytes = 700;

  SmallRun() {
    model.layers = 4;
    model.hidden = 48;
    model.heads = 12;
    model.sequence = 24;
    model.vocab = 256;
    run.optimizer.steps = 20;
    run.optimizer.warmup_steps = 3;
    run.optimizer.learning_rate = 3e-3;
  }

  TextData data() const {
    return {.train = std::make_shared<TokenDataset>(made_up_text(train_bytes), model.sequence),
            .validation =
                std::make_shared<TokenDataset>(made_up_text(validation_bytes), model.sequence)};
  }

  TrainingPlan plan() const { return make_plan(gpt(model, parallel.tensor), parallel, batch); }
};

/// Keeps every report.
struct KeepingObserver : RunObserver {
  void on_step(const StepReport& report) override { steps.push_back(report); }
  void on_evaluation_end(const EvaluationReport& report) override { evaluations.push_back(report); }
  /// Of the last evaluation.
  std::optional<double> validation_loss() const {
    return evaluations.empty() ? std::nullopt : evaluations.back().loss;
  }
  std::vector<double> losses() const {
    std::vector<double> values;
    for (const StepReport& report : steps) {
      values.push_back(report.loss);
    }
    return values;
  }
  std::vector<StepReport> steps;
  std::vector<EvaluationReport> evaluations;
};

/// Trains and returns the bytes of model.safetensors.
inline std::string trained_bytes(SmallRun run, KeepingObserver& observer) {
  const TemporaryFolder folder;
  run.run.model_folder = folder.path() / "model";
  const RunResult result = run_training(run.plan(), run.run, run.data(), {observer});
  require(result.failure.empty(), "trained_bytes", "{}", result.failure);
  return read_file(run.run.model_folder / "model.safetensors");
}

}  // namespace stagecraft::test
