// `stagecraft status`: where every rank of a run is.
#pragma once

#include <filesystem>

namespace stagecraft {

/// Prints the progress board of a run, live or dead.
int run_status(const std::filesystem::path& run);

/// Waits for the last of a run's processes, a few seconds at most, and prints the board of one that
/// did not end well. 1 when there is none: no rank had begun.
int last_words(const std::filesystem::path& run);

}  // namespace stagecraft
