// `stagecraft train` as one rank of a run whose ranks are processes under mpirun.
#pragma once

#include <functional>
#include <string>

#include "launch/artifacts/run_directory.h"
#include "launch/setup/resolve.h"

#include "actors/protocol/run_config.h"

namespace stagecraft {

struct RankOptions {
  std::string configuration;  // as the user named it, with what was set
  std::string interface;      // of the network for control; "": loopback
  bool plain = false;         // no line is rewritten in place
};

/// This process's rank. Throws ConfigError when mpirun did not start it, or not as many as the plan
/// has ranks.
int mpi_rank(const TrainingPlan& plan);

/// Rank 0 makes the run directory and reports; the others' output goes to their logs. The process
/// ends within, with status 0 or 1; what is thrown was found before the run began.
[[noreturn]] void train_rank(const ResolvedRun& run, const TextData& text, const RunConfig& config,
                             const RankOptions& words);

}  // namespace stagecraft
