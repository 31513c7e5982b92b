// The report that is printed after a run.
#pragma once

#include <string>

#include "launch/artifacts/run_directory.h"
#include "launch/setup/resolve.h"

#include "actors/protocol/run_report.h"

namespace stagecraft {

/// Losses, speed, the time and memory of each stage, the files, and suggestions for the next run.
/// `trace` is what to say of the trace (join_trace.h). `config_name` is the configuration as the
/// user named it.
std::string run_summary(const ResolvedRun& run, const RunResult& result,
                        const RunDirectory& directory, const std::string& trace,
                        const std::string& config_name);

}  // namespace stagecraft
