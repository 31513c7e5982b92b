#include "models/layer.h"

namespace stagecraft {

void WeightStash::add(LayerContext& context, std::vector<Tensor> inputs, Task task) {
  if (mode_ == Mode::immediate) {
    task(context);
    return;
  }
  for (const Tensor& input : inputs) {
    input.buffer()->relabel(MemoryLabel::weight_stashes);
  }
  tasks_.push_back(
      [kept = std::move(inputs), todo = std::move(task)](LayerContext& later) { todo(later); });
}

void WeightStash::run(LayerContext& context) {
  for (Task& task : tasks_) {
    task(context);
    task = nullptr;  // frees its inputs before the next one runs
  }
  tasks_.clear();
}

}  // namespace stagecraft
