#include "models/layers/layer.h"

#include <algorithm>

#include "kernels/base/error.h"

namespace stagecraft {

const Tensor& MicroBatch::content(std::string_view name) const {
  const auto found = contents.find(name);
  require(found != contents.end(), "MicroBatch",
          "the layers of the chunk do not say that they read \"{}\"; add it to LayerSpec::reads",
          name);
  return found->second;
}

const MicroBatchLoss& MicroBatch::loss(std::string_view name) const {
  const auto found = std::find_if(losses.begin(), losses.end(),
                                  [&](const MicroBatchLoss& loss) { return loss.name == name; });
  require(found != losses.end(), "MicroBatch",
          "there is no loss \"{}\" here: the last chunk has those that the family names", name);
  return *found;
}

void WeightStash::defer(std::span<const Tensor> inputs, Task task) {
  for (const Tensor& input : inputs) {
    input.buffer()->relabel(MemoryLabel::weight_stashes);
  }
  tasks_.push_back(std::move(task));
}

void WeightStash::run(LayerContext& context) {
  for (Task& task : tasks_) {
    task(context);
    task = nullptr;  // frees its inputs before the next task runs
  }
  tasks_.clear();
}

LayerCost in_sequence(const LayerCost& a, const LayerCost& b) {
  return {.forward_flops = a.forward_flops + b.forward_flops,
          .backward_input_flops = a.backward_input_flops + b.backward_input_flops,
          .backward_weight_flops = a.backward_weight_flops + b.backward_weight_flops,
          .forward_sum_bytes = a.forward_sum_bytes + b.forward_sum_bytes,
          .backward_sum_bytes = a.backward_sum_bytes + b.backward_sum_bytes,
          .stash_bytes = a.stash_bytes + b.stash_bytes,
          .weight_stash_bytes = a.weight_stash_bytes + b.weight_stash_bytes,
          .forward_bytes = std::max(a.forward_bytes, a.stash_bytes + b.forward_bytes),
          .backward_bytes = std::max(a.stash_bytes + b.backward_bytes, a.backward_bytes),
          .backward_input_bytes = std::max(a.stash_bytes + b.backward_input_bytes,
                                           a.backward_input_bytes + b.weight_stash_bytes)};
}

}  // namespace stagecraft
