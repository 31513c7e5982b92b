// Which ranks of a run are traced, and where to.
#pragma once

#include <functional>
#include <string>

#include "actors/protocol/run_config.h"
#include "launch/setup/resolve.h"

namespace stagecraft {

/// Makes the traced ranks of the run write RUN/traces while it goes on, as the [trace] section of
/// its configuration says. `say` gets a sentence when a rank's trace ends early, from the rank's
/// thread, which must not wait. `config` owns a copy of everything.
void record_traces(RunConfig& config, const ResolvedRun& run,
                   std::function<void(int rank, const std::string& text)> say);

}  // namespace stagecraft
