// `stagecraft train` as one rank of a run whose ranks are processes started by mpirun.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "launch/artifacts/run_directory.h"
#include "launch/setup/resolve.h"
#include "launch/setup/run_identity.h"

#include "actors/protocol/run_config.h"

namespace stagecraft {

struct RankOptions {
  std::string configuration;  // as the user named it, with its --set options
  std::string interface;      // network interface for control connections; "": loopback
  std::string claim;          // of the run directory, passed on by launch/train; "": none
  bool plain = false;         // rewrite no line in place
  RunIdentity identity = {};  // for the manifests of its checkpoints
  std::vector<std::string> start_lines = {};  // for the log: where the run begins
};

/// This process's rank. Throws ConfigError when mpirun did not start this process, or started
/// another number of processes than the plan has ranks.
int mpi_rank(const TrainingPlan& plan);

/// Runs this rank and ends the process with status 0, or 1 when the run failed. Rank 0 makes the
/// run directory and reports; the output of other ranks goes to their logs. Throws only before the
/// run has begun.
[[noreturn]] void train_rank(const ResolvedRun& run, const TextData& text, const RunConfig& config,
                             const RankOptions& words);

}  // namespace stagecraft
