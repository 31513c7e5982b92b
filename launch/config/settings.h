// The settings of a configuration file: the plain structs of all rooms in one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "actors/protocol/run_options.h"
#include "models/checkpoint/checkpoint_config.h"
#include "models/data/token_dataset.h"
#include "models/families/model_config.h"
#include "models/optim/optimizer_config.h"
#include "stages/plan/machine_config.h"
#include "stages/plan/plan_config.h"

namespace stagecraft {

/// What the [run], [metrics], [trace] and [device] tables say to launch/ alone.
struct LaunchConfig {
  std::string directory;  // "": the first free one of runs/NAME, runs/NAME-2, ...
  std::string mode = "threads";
  std::string transport = "auto";
  std::optional<std::string> trace_file;  // absent: DIRECTORY/trace.json; "": none
  std::int64_t state_hash_every = 0;      // steps; 0: only with checkpoints
  std::int64_t trace_steps = 10;
  std::string trace_ranks = "stages";
  int trace_limit_mib = 64;     // of a rank's file
  bool trace_calibrate = true;  // measure the prediction's costs in the first traced steps
  std::string trace_cost;       // cost_option.h, in milliseconds; "": none
  std::string backend = "auto";
  int threads = 0;  // per actor; 0: cores / actors, at least 1
};

/// Prefix of parallel.schedule where it names a file.
inline constexpr std::string_view kScheduleFile = "file:";

struct RunSettings {
  ModelConfig model;
  ParallelConfig parallel;
  BatchConfig batch;
  OptimizerConfig optimizer;
  DataConfig data;
  CheckpointConfig checkpoint;
  RunOptions run;
  LaunchConfig session;
  MachineConfig machine;
};

}  // namespace stagecraft
