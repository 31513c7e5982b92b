// Words to commands, exceptions to messages and exit statuses.
#pragma once

#include <functional>

#include "actors/protocol/run_config.h"

namespace stagecraft {

/// The whole program. Returns the exit status: 0; 1 when a run failed, a program is not proven or
/// no split fits; 2 for input that cannot be used. `adjust` is a seam for tests, which may change
/// what a run is made with.
int run_command_line(int argc, char** argv, std::function<void(RunConfig&)> adjust = {});

}  // namespace stagecraft
