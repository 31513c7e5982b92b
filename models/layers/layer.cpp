#include "models/layers/layer.h"

#include <algorithm>

namespace stagecraft {

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
