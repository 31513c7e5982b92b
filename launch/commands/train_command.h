// `stagecraft train CONFIG`. Like all commands it returns the exit status, and throws BadInput for
// a mistake of the user.
#pragma once

#include <functional>
#include <string>

#include "actors/protocol/run_config.h"
#include "launch/commands/config_options.h"

namespace stagecraft {

struct TrainOptions {
  ConfigOptions config;
  std::string interface;   // network interface between processes; "": loopback
  std::string claim;       // of the run directory, passed on by launch/train; "": none
  bool plain = false;      // rewrite no line in place
  bool share_gpu = false;  // processes may share a GPU
  /// A seam for tests: may change the configuration of the run.
  std::function<void(RunConfig&)> adjust = {};
};

/// Returns 0, or 1 when the run failed.
int train(const TrainOptions& options);

}  // namespace stagecraft
