// The report that is printed before a run.
#pragma once

#include <cstdint>
#include <string>

#include "launch/setup/resolve.h"
#include "stages/plan/partition.h"

namespace stagecraft {

/// Model, text, split, the layers and memory of each stage, the schedule as a text diagram, and the
/// verdict. The diagram is at most `columns` wide. `step` is that of the checkpoint from which the
/// run goes on, or 0.
std::string plan_report(const ResolvedRun& run, const TextData& text, int columns,
                        std::int64_t step = 0);

/// Number of parameters of a stage. A tensor that the stage uses twice counts once.
std::int64_t stage_parameters(const TrainingPlan& plan, int stage);

/// Idle share of a simulated step whose compute costs its FLOPs; everything else costs nothing.
double planned_bubble(const TrainingPlan& plan);

/// "embedding, blocks 0-1" for layers [first, last) of the model.
std::string layers_text(const ModelSpec& model, const LayerRange& range);

}  // namespace stagecraft
