#include "stages/execute/pass_samples.h"

#include <algorithm>
#include <utility>

namespace stagecraft {

std::int64_t evaluation_samples(const TextData& data, std::int64_t batches,
                                std::int64_t global_batch) {
  if (data.validation == nullptr) {
    return 0;
  }
  const std::int64_t all = data.validation->samples();
  return batches == 0 ? all : std::min(all, batches * global_batch);
}

PassSamples::PassSamples(const TrainingPlan& plan, TextData data, const SampleConfig& config)
    : plan_(plan), data_(std::move(data)), config_(config) {}

std::int64_t PassSamples::first_of(const Pass& pass) const {
  const std::int64_t step_before = std::max<std::int64_t>(0, pass.step - 1);
  return (traits(pass.kind).numbered ? pass.batch : step_before) * plan_.batch.global_batch;
}

Samples PassSamples::at(const Pass& pass, std::int64_t first, std::int64_t count) const {
  const bool training = traits(pass.kind).enters == TextPart::training;
  Samples samples{.text = training ? data_.train : data_.validation,
                  .sequence = plan_.model.sequence,
                  .size = count};
  for (std::int64_t index = first; index < first + count; ++index) {
    if (training) {
      samples.indices.push_back(
          sample_at(config_.order, config_.seed, data_.train->samples(), index));
    } else if (index < config_.evaluation_samples) {
      samples.indices.push_back(index);
    }
  }
  return samples;
}

LossCounts PassSamples::counts(const Pass& pass) const {
  return plan_.model.counts(at(pass, first_of(pass), plan_.batch.global_batch));
}

}  // namespace stagecraft
