// Makes the micro-batches of one data rank. Which samples a micro-batch has depends on step and
// position, never on a rank of the pipeline or tensor axis, so that all ranks that compute on a
// micro-batch read the same samples.
#pragma once

#include <vector>

#include "models/layers/layer.h"
#include "stages/execute/pass_samples.h"

namespace stagecraft {

class MicroBatchSource {
 public:
  /// `plan` must outlive it.
  MicroBatchSource(const TrainingPlan& plan, int data_rank, TextData data,
                   const SampleConfig& config);

  /// Micro-batch `microbatch` of a pass, without its contents and the sums of its losses. The scale
  /// of a loss is 1 / its count; without a count, as in a pass without gradients, it is 0.
  MicroBatch at(const Pass& pass, int microbatch, const LossCounts& counts) const;

  /// Copies contents to the stream's device.
  void read_contents(Stream& stream, const Pass& pass, const std::vector<ContentSpec>& contents,
                     MicroBatch& batch) const;

 private:
  const TrainingPlan& plan_;
  int data_rank_;
  PassSamples samples_;
};

}  // namespace stagecraft
