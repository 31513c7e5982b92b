// `stagecraft check CONFIG`: what a run would do, without doing it.
#pragma once

#include <cstdint>

#include "launch/commands/config_options.h"
#include "launch/setup/mpirun_arguments.h"
#include "launch/setup/run_start.h"

namespace stagecraft {

enum class CheckOutput : std::uint8_t { plan, json, resolved, launch };

/// Prints the plan as text or JSON, or every value with its source, or the input of launch/train
/// (mpirun_arguments.h). Only the last one looks for an earlier start of the run.
int check(const ConfigOptions& options, const StartOptions& start, CheckOutput output,
          const HostOptions& hosts);

}  // namespace stagecraft
