// What a run reports: to an observer while it runs, and at its end.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "kernels/core/stream.h"
#include "models/checkpoint/checkpoint_manifest.h"
#include "models/parameters/state_hash.h"
#include "tensor_parallel/sharding/mesh.h"

namespace stagecraft {

struct NamedLoss {
  std::string name;  // as LossSpec::name
  double value = 0;  // nats, the mean over what the loss counts
};

/// One training step, over the whole mesh.
struct StepReport {
  std::int64_t step = 0;     // from 1
  double loss = 0;           // nats per token; of several losses their sum, which is trained
  double gradient_norm = 0;  // before clipping
  double learning_rate = 0;
  std::int64_t tokens = 0;
  /// From the start of the step to its gradient norm. Includes the optimizer of the previous step,
  /// unless an evaluation came in between. Evaluations are in no step's time.
  double seconds = 0;
  std::vector<NamedLoss> losses = {};  // each; empty for a model with one
};

/// One evaluation, over the whole mesh.
struct EvaluationReport {
  std::int64_t step = 0;       // that it follows
  std::int64_t batches = 0;    // ordered by the configuration
  std::int64_t done = 0;       // of these
  std::optional<double> loss;  // as StepReport::loss; empty when a stop cut the evaluation short
  std::vector<NamedLoss> losses = {};  // as StepReport::losses
};

/// The state behind a step, over the whole mesh.
struct StateHashReport {
  std::int64_t step = 0;
  std::vector<StateHash> tensors;  // in model order, of each parameter all kinds
  std::uint64_t sum = 0;           // modulo 2^64
};

/// A checkpoint whose pieces are on the disk.
struct CheckpointReport {
  std::filesystem::path unfinished;  // its folder
  /// Without `settings`, `origin` and `different_bits`, which launch/ knows.
  CheckpointManifest manifest;
  double seconds = 0;  // from the order to save to the last piece on the disk
  /// Whose hosts had no memory for a copy of the state: training waited for their writing.
  std::vector<int> ranks_without_copy = {};
};

/// A checkpoint that could not be written.
struct CheckpointFailure {
  std::filesystem::path unfinished;
  std::int64_t step = 0;
  std::string text;  // "rank R: the error"
};

/// Receives the events of a run, for terminal and files. Called from the driver's thread, in order,
/// while the ranks compute what follows. An exception ends the run with its text as the cause. The
/// watchdog ends a run whose observer does not return, so files and terminals that may block are
/// written by another thread.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void on_start() {}  // weights are initialised or loaded, the first step begins
  virtual void on_step(const StepReport& report) = 0;
  virtual void on_evaluation_begin(std::int64_t step) { static_cast<void>(step); }
  virtual void on_evaluation_end(const EvaluationReport& report) { static_cast<void>(report); }
  /// Behind on_step() of the same step, and before on_evaluation_begin() and later steps.
  virtual void on_state_hash(const StateHashReport& report) { static_cast<void>(report); }
  /// All events up to the checkpoint's step, its evaluation included, came before. The checkpoint
  /// is to be committed when the rows of these events are on the disk.
  virtual void on_checkpoint(const CheckpointReport& report) { static_cast<void>(report); }
  /// The run goes on. The unfinished folder is to be removed.
  virtual void on_checkpoint_failed(const CheckpointFailure& failure) {
    static_cast<void>(failure);
  }
  virtual void on_model_written(const std::filesystem::path& folder) { static_cast<void>(folder); }
};

using RunObservers = std::vector<std::reference_wrapper<RunObserver>>;

/// The time and the peak memory of one rank.
struct RankReport {
  int rank = 0;
  MeshCoordinate coordinate;
  double compute_seconds = 0;
  double communication_seconds = 0;  // transfers and collectives, including waits in them
  double idle_seconds = 0;           // waiting for an envelope, a credit or the driver
  std::int64_t peak_bytes = 0;
  std::int64_t peak_saved_activation_bytes = 0;
  StreamUse use;  // without the priming step
};

struct RunResult {
  std::int64_t steps = 0;                 // completed, those of earlier starts included
  std::int64_t first_step = 1;            // of this start
  bool stopped_early = false;             // by a request, before the last step
  double loss = 0;                        // of the last step
  std::optional<double> validation_loss;  // of the last evaluation that was whole
  std::int64_t validation_step = 0;       // that it followed
  double seconds = 0;                     // from the start of the first step to the end of the last
  std::vector<RankReport> ranks;
  /// Empty for a successful run; otherwise "stage S, rank R, instruction I: the error".
  std::string failure;
  /// An actor never returned. Its thread still runs, so the process must end without destructors.
  bool actor_lost = false;
};

}  // namespace stagecraft
