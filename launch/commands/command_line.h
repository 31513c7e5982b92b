// Parses the command line, runs the command, and converts exceptions to messages and exit statuses.
#pragma once

#include <functional>

#include "actors/protocol/run_config.h"

namespace stagecraft {

/// The whole program. Returns the exit status: 0 for success; 75 when a run was stopped before its
/// last step, with its model written; 1 when a run failed, a program is not proven or no split
/// fits; 2 for bad input. `adjust` is a seam for tests: it may change the configuration of a run.
int run_command_line(int argc, char** argv, std::function<void(RunConfig&)> adjust = {});

}  // namespace stagecraft
