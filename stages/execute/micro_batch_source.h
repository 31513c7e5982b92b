// Selects the samples of a micro-batch and reads their tokens. The selection depends on step and
// position, never on a rank of the pipeline or tensor axis, so that all ranks that compute on a
// micro-batch read the same samples.
#pragma once

#include <cstdint>

#include "models/data/token_dataset.h"
#include "models/layers/layer.h"
#include "stages/channels/pass.h"
#include "stages/plan/plan.h"

namespace stagecraft {

/// How many samples an evaluation covers: the first `batches` x `global_batch`, or all if `batches`
/// is 0.
std::int64_t evaluation_samples(const TextData& data, std::int64_t batches,
                                std::int64_t global_batch);

/// Which samples are read, and in which order.
struct SampleConfig {
  SampleOrder order = SampleOrder::shuffled;  // of the training text
  std::uint64_t seed = 1;
  std::int64_t evaluation_samples = 0;  // the samples of the validation text that are used
};

/// The micro-batches of one data rank.
class MicroBatchSource {
 public:
  /// `plan` must outlive it.
  MicroBatchSource(const TrainingPlan& plan, int data_rank, TextData data,
                   const SampleConfig& config);

  /// Micro-batch `microbatch` of a pass, without its tokens and its loss.
  MicroBatch at(const Pass& pass, int microbatch) const;

  /// Copies tokens and targets to the stream's device. Beyond the samples of an evaluation, tokens
  /// are 0 and targets are ignored.
  void read_tokens(Stream& stream, MicroBatch& batch) const;

 private:
  const TrainingPlan& plan_;
  int data_rank_;
  TextData data_;
  SampleConfig config_;
};

}  // namespace stagecraft
