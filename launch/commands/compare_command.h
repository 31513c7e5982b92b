// `stagecraft compare`: where two runs part.
#pragma once

#include <filesystem>

namespace stagecraft {

/// Prints the first step, tensor and element in which the runs differ (compare_runs.h). Returns 1
/// if they do, 0 if they are equal as far as both go.
int compare(const std::filesystem::path& first, const std::filesystem::path& second);

}  // namespace stagecraft
