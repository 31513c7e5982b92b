// What a run will do, in text.
#pragma once

#include <cstdint>
#include <string>

#include "launch/setup/resolve.h"
#include "stages/plan/partition.h"

namespace stagecraft {

/// Model, text, split, who owns which layers, memory per stage, the schedule as a picture, verdict.
/// The picture's rows are at most `columns` wide.
std::string plan_report(const ResolvedRun& run, const TextData& text, int columns);

/// A tensor that a stage uses twice counts once.
std::int64_t stage_parameters(const TrainingPlan& plan, int stage);

/// Idle share by simulate where compute costs its FLOPs and everything else nothing.
double planned_bubble(const TrainingPlan& plan);

/// "embedding, blocks 0-1" for layers [first, last) of the model.
std::string layers_text(const ModelSpec& model, const LayerRange& range);

}  // namespace stagecraft
