// One run of training: actors are made, train, write the model and end.
#pragma once

#include "actors/protocol/run_config.h"
#include "actors/protocol/run_report.h"
#include "models/data/token_dataset.h"
#include "stages/plan/plan.h"

namespace stagecraft {

/// Trains as planned. Errors inside actors end up in RunResult::failure; ConfigErrors of data and
/// init_from are thrown before any actor starts.
RunResult run_training(const TrainingPlan& plan, const RunConfig& config, const TextData& data,
                       RunObserver& observer);

}  // namespace stagecraft
