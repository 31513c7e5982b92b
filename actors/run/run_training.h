// One training run: makes the actors, trains, writes the model and ends the actors.
#pragma once

#include "actors/protocol/run_config.h"
#include "actors/protocol/run_report.h"
#include "models/data/token_dataset.h"
#include "stages/plan/plan.h"

namespace stagecraft {

/// Trains as planned, with all ranks as threads of this process. Errors inside actors are returned
/// in RunResult::failure. ConfigErrors of data and init_from are thrown before any actor starts.
RunResult run_training(const TrainingPlan& plan, const RunConfig& config, const TextData& data,
                       const RunObservers& observers);

}  // namespace stagecraft
