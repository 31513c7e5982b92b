// Small runs with checkpoints: each leg stops behind a step and leaves a checkpoint, from which the
// next leg goes on under a split of its own.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kernels/base/file.h"
#include "models/checkpoint/checkpoint_folder.h"
#include "models/checkpoint/checkpoint_reader.h"
#include "tests/end_to_end/small_run.h"
#include "tests/temporary_folder.h"

namespace stagecraft::test {

/// Keeps the reports of all legs, commits checkpoints, and ends a leg behind a step.
struct CommittingObserver : KeepingObserver {
  void on_state_hash(const StateHashReport& report) override { hashes.push_back(report); }
  void on_checkpoint(const CheckpointReport& report) override {
    commit_checkpoint(*files, report.unfinished, report.manifest);
    committed = report.manifest.step;
  }
  void on_checkpoint_failed(const CheckpointFailure& failure) override {
    failures.push_back(failure.text);
  }
  std::shared_ptr<FileSystem> files = std::make_shared<PosixFileSystem>();
  std::vector<StateHashReport> hashes;
  std::vector<std::string> failures;
  std::int64_t committed = 0;
};

/// A checkpoint in memory: what a neighbour would keep.
class MemoryCheckpoint : public CheckpointSource {
 public:
  MemoryCheckpoint(const CheckpointSource& of, const ModelSpec& model) : manifest_(of.manifest()) {
    for (const ParameterSpec& parameter : model.parameters()) {
      for (const StateKind kind : kStateKinds) {
        std::vector<float>& values = values_[{kind, parameter.name}];
        values.resize(static_cast<std::size_t>(elements_of(parameter.shape)));
        of.read({parameter, kind, whole_box(parameter.shape)}, values);
      }
    }
  }
  const CheckpointManifest& manifest() const override { return manifest_; }
  void read(const StatePiece& piece, std::span<float> values) const override {
    const std::vector<float>& whole = values_.at({piece.kind, piece.parameter.name});
    for (const ElementRun& run : runs_of(piece.box, piece.parameter.shape)) {
      std::copy_n(whole.begin() + run.begin, run.count, values.begin());
      values = values.subspan(static_cast<std::size_t>(run.count));
    }
  }
  /// Exchanges two elements of a tensor's first moment.
  void damage(const std::string& parameter) {
    std::vector<float>& values = values_.at({StateKind::first_moment, parameter});
    std::swap(values.front(), values.back());
  }

 private:
  CheckpointManifest manifest_;
  std::map<std::pair<StateKind, std::string>, std::vector<float>> values_;
};

/// What must not depend on splits and stops.
struct TrainedBits {
  std::vector<double> losses, norms, rates, validation;
  std::vector<std::uint64_t> hashes;
  std::string model;
  friend bool operator==(const TrainedBits&, const TrainedBits&) = default;
};

inline TrainedBits bits_of(const CommittingObserver& observer, std::string model) {
  TrainedBits bits;
  bits.losses = observer.losses();
  bits.model = std::move(model);
  for (const StepReport& report : observer.steps) {
    bits.norms.push_back(report.gradient_norm);
    bits.rates.push_back(report.learning_rate);
  }
  for (const EvaluationReport& report : observer.evaluations) {
    if (report.loss) {
      bits.validation.push_back(*report.loss);
    }
  }
  for (const StateHashReport& report : observer.hashes) {
    bits.hashes.push_back(report.sum);
  }
  return bits;
}

/// A part of a run: until `stop` (0: to the end), under a split.
struct Leg {
  ParallelConfig parallel;
  std::int64_t stop = 0;
  int threads = 1;
};

/// The checkpoints of one run.
class CheckpointedRun {
 public:
  explicit CheckpointedRun(SmallRun run) : run_(std::move(run)) {
    run_.run.checkpoints = folder_.path() / "checkpoints";
    run_.run.model_folder = folder_.path() / "model";
    run_.run.state_hash_every = 1;
  }

  /// Goes on from the newest checkpoint, if there is one.
  RunResult train(const Leg& leg) {
    SmallRun run = run_;
    run.parallel = leg.parallel;
    run.run.threads = leg.threads;
    if (const std::int64_t step = newest_checkpoint(*observer.files, run.run.checkpoints)) {
      run.run.resume = std::make_shared<CheckpointReader>(
          *observer.files, checkpoint_folder(run.run.checkpoints, step));
    }
    if (leg.stop > 0) {
      run.run.stop_requested = [this, stop = leg.stop] {
        return static_cast<std::int64_t>(observer.steps.size()) + 1 >= stop;
      };
    }
    return run_training(run.plan(), run.run, run.data(), {observer});
  }

  TrainedBits bits() const {
    return bits_of(observer, read_file(run_.run.model_folder / "model.safetensors"));
  }
  SmallRun& settings() { return run_; }
  const std::filesystem::path& checkpoints() const { return run_.run.checkpoints; }

  CommittingObserver observer;

 private:
  TemporaryFolder folder_;
  SmallRun run_;
};

inline TrainedBits trained_bits(const SmallRun& settings, const std::vector<Leg>& legs) {
  CheckpointedRun run(settings);
  for (const Leg& leg : legs) {
    const RunResult result = run.train(leg);
    require(result.failure.empty(), "trained_bits", "{}", result.failure);
    require(result.stopped_early == (leg.stop > 0), "trained_bits", "a leg ended at step {}",
            result.steps);
  }
  return run.bits();
}

}  // namespace stagecraft::test
