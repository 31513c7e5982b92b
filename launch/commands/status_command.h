// `stagecraft status`: the state of every rank of a run.
#pragma once

#include <filesystem>

namespace stagecraft {

/// Prints the progress board of a running or ended run.
int run_status(const std::filesystem::path& run);

/// For launch/train: waits a few seconds at most for the last process of a run, and returns the
/// run's exit status (result_file.h). Prints the board of a run that failed, and writes result.json
/// where no rank could. Returns kNeverBegun when there is no board.
int run_result(const std::filesystem::path& run);
inline constexpr int kNeverBegun = 3;

}  // namespace stagecraft
