// What a run reports: to an observer while it goes on, and at its end.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "kernels/base/span.h"
#include "kernels/core/stream.h"
#include "tensor_parallel/sharding/mesh.h"

namespace stagecraft {

/// One training step, over the whole mesh.
struct StepReport {
  std::int64_t step = 0;     // from 1
  double loss = 0;           // nats per token
  double gradient_norm = 0;  // before clipping
  double learning_rate = 0;
  std::int64_t tokens = 0;
  /// From the step's begin to its gradient norm. The optimizer of the step before runs within,
  /// unless an evaluation, which no step counts, came between.
  double seconds = 0;
  std::optional<double> validation_loss;
};

/// What happens in a run, for terminal and files. Called from one thread at a time, in order; calls
/// should be short, since the driver waits for them.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void on_start() {}  // weights are there, step 1 begins
  virtual void on_step(const StepReport& report) = 0;
  virtual void on_evaluation_begin(std::int64_t step) { static_cast<void>(step); }
  /// Asked after every step; true: write the model and end.
  virtual bool stop_requested() { return false; }
  virtual void on_model_written(const std::filesystem::path& folder) { static_cast<void>(folder); }
};

/// Where one rank's time went, and the most memory that it held.
struct RankReport {
  int rank = 0;
  MeshCoordinate coordinate;
  double compute_seconds = 0;
  double communication_seconds = 0;  // transfers and collectives, waiting in them included
  double idle_seconds = 0;           // waiting for an envelope, a credit or the driver
  std::int64_t peak_bytes = 0;
  std::int64_t peak_saved_activation_bytes = 0;
  StreamUse use;  // what was counted before the priming step's end left out
  std::vector<Span> spans;
};

struct RunResult {
  std::int64_t steps = 0;  // done
  bool stopped_early = false;
  double loss = 0;  // of the last step
  std::optional<double> validation_loss;
  double seconds = 0;  // from the first step's begin to the end
  std::vector<RankReport> ranks;
  std::int64_t trace_origin_ns = 0;  // when step 1 began, on the spans' clock
  /// Empty when all went well; otherwise "stage S, rank R, instruction I: what happened".
  std::string failure;
  /// An actor never returned: its thread still runs, so the process can only end at once.
  bool actor_lost = false;
};

}  // namespace stagecraft
