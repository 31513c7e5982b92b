// Which samples a pass takes, and what its losses count in them: functions of the data, the seed
// and the pass, never of a rank.
#pragma once

#include <cstdint>

#include "models/data/samples.h"
#include "models/families/contents.h"
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

class PassSamples {
 public:
  /// `plan` must outlive it.
  PassSamples(const TrainingPlan& plan, TextData data, const SampleConfig& config);

  /// The number of the pass's first sample, through all steps or batches. Step 0 takes the samples
  /// of step 1.
  std::int64_t first_of(const Pass& pass) const;
  /// The samples with the numbers `first` .. `first + count - 1`.
  Samples at(const Pass& pass, std::int64_t first, std::int64_t count) const;
  /// What the model's losses count in the whole pass, over all ranks.
  LossCounts counts(const Pass& pass) const;

 private:
  const TrainingPlan& plan_;
  TextData data_;
  SampleConfig config_;
};

}  // namespace stagecraft
