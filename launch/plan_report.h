// What a run will do, in text.
#pragma once

#include <string>

#include "launch/resolve.h"

namespace stagecraft {

/// Model, text, split, who owns which layers, memory per stage, the schedule as a picture, verdict.
/// The picture's rows are at most `columns` wide.
std::string plan_report(const ResolvedRun& run, const TextData& text, int columns);

/// "embedding, blocks 0-1" for layers [first, last) of the model.
std::string layers_text(const ModelSpec& model, const LayerRange& range);

}  // namespace stagecraft
