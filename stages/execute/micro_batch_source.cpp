#include "stages/execute/micro_batch_source.h"

#include <algorithm>
#include <span>
#include <utility>

#include "kernels/ops/cross_entropy.h"
#include "kernels/ops/embedding.h"
#include "kernels/ops/host_copy.h"

namespace stagecraft {
namespace {

Tensor upload(Stream& stream, const std::vector<std::int32_t>& values, const Shape& shape) {
  Tensor x(stream.memory(), shape, DType::int32, MemoryLabel::workspace);
  copy_from_host(stream, std::span<const std::int32_t>(values), x);
  return x;
}

}  // namespace

std::int64_t evaluation_samples(const TextData& data, std::int64_t batches,
                                std::int64_t global_batch) {
  if (data.validation == nullptr) {
    return 0;
  }
  const std::int64_t all = data.validation->samples();
  return batches == 0 ? all : std::min(all, batches * global_batch);
}

MicroBatchSource::MicroBatchSource(const TrainingPlan& plan, int data_rank, TextData data,
                                   const SampleConfig& config)
    : plan_(plan), data_rank_(data_rank), data_(std::move(data)), config_(config) {}

MicroBatch MicroBatchSource::at(const Pass& pass, int microbatch) const {
  const std::int64_t per_rank = plan_.batch.global_batch / plan_.mesh.data;
  const std::int64_t within = data_rank_ * per_rank + microbatch * plan_.batch.micro_batch;
  const bool training = pass.kind == PassKind::train;
  const std::int64_t step_before = std::max<std::int64_t>(0, pass.step - 1);
  const std::int64_t before = (training ? step_before : pass.batch) * plan_.batch.global_batch;
  MicroBatch batch;
  batch.training = training;
  batch.step = static_cast<std::uint32_t>(pass.step);
  batch.first_sample = static_cast<std::uint64_t>(before + within);
  batch.samples = plan_.batch.micro_batch;
  batch.sequence = plan_.model.sequence;
  batch.loss_scale = 1.0F / static_cast<float>(plan_.batch.global_batch * plan_.model.sequence);
  return batch;
}

void MicroBatchSource::read_tokens(Stream& stream, MicroBatch& batch) const {
  std::vector<std::int32_t> inputs(static_cast<std::size_t>(batch.rows()), 0);
  std::vector<std::int32_t> targets(inputs.size(), kIgnoredTarget);
  const auto count = static_cast<std::size_t>(batch.sequence);
  for (std::int64_t s = 0; s < batch.samples; ++s) {
    const auto index = static_cast<std::int64_t>(batch.first_sample) + s;
    const auto row = static_cast<std::size_t>(s * batch.sequence);
    if (batch.training) {
      const TokenDataset& text = *data_.train;
      text.read(sample_at(config_.order, config_.seed, text.samples(), index),
                {&inputs[row], count}, {&targets[row], count});
    } else if (index < config_.evaluation_samples) {
      data_.validation->read(index, {&inputs[row], count}, {&targets[row], count});
    }
  }
  batch.tokens = upload(stream, inputs, {batch.rows()});
  batch.targets = upload(stream, targets, {batch.rows()});
  if (batch.training) {
    batch.token_order = upload(stream, token_order(inputs), {2, batch.rows()});
  }
}

}  // namespace stagecraft
