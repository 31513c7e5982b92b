// `stagecraft train CONFIG`. Like all commands it returns the exit status, and throws BadInput for
// a mistake of the user.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "actors/protocol/run_config.h"
#include "launch/commands/config_options.h"
#include "launch/setup/run_start.h"

namespace stagecraft {

struct TrainOptions {
  ConfigOptions config;
  StartOptions start;
  std::string interface;                // network interface between processes; "": loopback
  std::string claim;                    // of the run directory, passed on by launch/train; "": none
  std::vector<std::string> notes = {};  // of `check --launch`, passed on by launch/train
  bool plain = false;                   // rewrite no line in place
  bool share_gpu = false;               // processes may share a GPU
  /// A seam for tests: may change the configuration of the run.
  std::function<void(RunConfig&)> adjust = {};
};

/// Returns the run's exit status (launch/artifacts/result_file.h). A rank that mpirun has started
/// ends with 0 also when the run was stopped: mpirun would take any other status for a failure.
int train(const TrainOptions& options);

}  // namespace stagecraft
