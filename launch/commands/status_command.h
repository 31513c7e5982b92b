// `stagecraft status`: the state of every rank of a run.
#pragma once

#include <filesystem>

namespace stagecraft {

/// Prints the progress board of a running or ended run.
int run_status(const std::filesystem::path& run);

/// Waits a few seconds at most for the last process of a run, and prints the board if the run
/// failed. Returns 1 when there is no board, since no rank had begun.
int last_words(const std::filesystem::path& run);

}  // namespace stagecraft
