#include "stages/execute/micro_batch_source.h"

#include <span>
#include <utility>

#include "kernels/ops/host_copy.h"

namespace stagecraft {
namespace {

Tensor upload(Stream& stream, const std::vector<std::int32_t>& values, const Shape& shape) {
  Tensor x(stream.memory(), shape, DType::int32, MemoryLabel::workspace);
  copy_from_host(stream, std::span<const std::int32_t>(values), x);
  return x;
}

std::vector<MicroBatchLoss> losses_of(const ModelSpec& model, const LossCounts& counts) {
  require(counts.empty() || counts.size() == model.losses.size(), "MicroBatchSource",
          "there are counts of {} losses, and the model has {}", counts.size(),
          model.losses.size());
  std::vector<MicroBatchLoss> losses;
  for (std::size_t i = 0; i < model.losses.size(); ++i) {
    const std::int64_t count = counts.empty() ? 0 : counts[i];
    losses.push_back({.name = model.losses[i].name,
                      .scale = count == 0 ? 0.0F : 1.0F / static_cast<float>(count),
                      .sum = {}});
  }
  return losses;
}

}  // namespace

MicroBatchSource::MicroBatchSource(const TrainingPlan& plan, int data_rank, TextData data,
                                   const SampleConfig& config)
    : plan_(plan), data_rank_(data_rank), samples_(plan, std::move(data), config) {}

MicroBatch MicroBatchSource::at(const Pass& pass, int microbatch, const LossCounts& counts) const {
  const std::int64_t per_rank = plan_.batch.global_batch / plan_.mesh.data;
  const std::int64_t within = data_rank_ * per_rank + microbatch * plan_.batch.micro_batch;
  MicroBatch batch;
  batch.saves = traits(pass.kind).saves;
  batch.dropout = traits(pass.kind).dropout;
  batch.step = static_cast<std::uint32_t>(pass.step);
  const std::int64_t first = samples_.first_of(pass) + within;
  batch.first_sample = static_cast<std::uint64_t>(first);
  batch.samples = plan_.batch.micro_batch;
  batch.sequence = plan_.model.sequence;
  if (plan_.model.bucket) {  // else nobody needs to know the samples yet
    batch.sequence = plan_.model.sequence_of(samples_.at(pass, first, batch.samples));
  }
  batch.losses = losses_of(plan_.model, counts);
  return batch;
}

void MicroBatchSource::read_contents(Stream& stream, const Pass& pass,
                                     const std::vector<ContentSpec>& contents,
                                     MicroBatch& batch) const {
  if (contents.empty()) {
    return;
  }
  Samples samples = samples_.at(pass, static_cast<std::int64_t>(batch.first_sample), batch.samples);
  samples.sequence = batch.sequence;
  const SampleTexts texts = samples.read();
  for (const ContentSpec& content : contents) {
    if (batch.saves || !content.for_backward) {
      const Shape shape = content.shape(batch.samples, batch.sequence);
      batch.contents[content.name] = upload(stream, content.values(texts), shape);
    }
  }
}

}  // namespace stagecraft
