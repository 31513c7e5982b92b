// What a run did, in text.
#pragma once

#include <string>

#include "launch/artifacts/run_directory.h"
#include "launch/setup/resolve.h"

#include "actors/protocol/run_report.h"

namespace stagecraft {

/// Losses, speed, where each stage's time went, where the files are, and what to try next.
/// `config_name` is the configuration as the user named it.
std::string run_summary(const ResolvedRun& run, const RunResult& result,
                        const RunDirectory& directory, const std::string& config_name);

}  // namespace stagecraft
