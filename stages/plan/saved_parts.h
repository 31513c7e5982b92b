// Who saves which part of the state of training.
#pragma once

#include <cstdint>
#include <vector>

#include "models/parameters/parameter.h"
#include "stages/plan/plan.h"

namespace stagecraft {

/// What a rank saves of one parameter: of its weight and of both moments.
struct SavedPart {
  std::int32_t parameter = 0;  // position in ModelSpec::parameters()
  ParameterSpec spec;
  std::vector<ShardBox> boxes;
};

/// In model order. Of all ranks, one saves each element: a replicated parameter tensor rank 0, a
/// tied one the stage of its first use, and every box the data ranks together (saved_boxes.h).
std::vector<SavedPart> saved_parts(const TrainingPlan& plan, int rank);

/// Bytes that a rank needs for a snapshot of what it saves.
std::int64_t snapshot_bytes(const TrainingPlan& plan, int rank);

}  // namespace stagecraft
