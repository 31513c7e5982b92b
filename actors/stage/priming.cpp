#include "actors/stage/priming.h"

#include "stages/program/edge.h"

namespace stagecraft {

void PrimingStep::begin(Stream& stream, const TrainingPlan& plan, int stage,
                        const Channels& channels) {
  on_ = true;
  const std::int64_t bytes = transfer_bytes(plan.model, plan.batch);
  for (const auto& [edge, channel] : channels) {
    const int slots = edge.source == stage ? kReceiveSlots : 0;
    for (int slot = 0; slot < slots; ++slot) {
      spare_.push_back(stream.memory().allocate(bytes, MemoryLabel::workspace));
    }
  }
}

void PrimingStep::end() {
  on_ = false;
  spare_.clear();
}

}  // namespace stagecraft
