// What `stagecraft compare` says.
#pragma once

#include <array>
#include <filesystem>
#include <string>

#include "launch/report/compare_runs.h"

namespace stagecraft {

/// Sentences for a person, and which key would find more.
std::string comparison_text(const RunComparison& comparison,
                            const std::array<std::filesystem::path, 2>& runs);

}  // namespace stagecraft
