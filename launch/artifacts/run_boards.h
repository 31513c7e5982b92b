// The progress boards in a run directory.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "stages/board/progress_board.h"

namespace stagecraft {

/// RUN/progress, of rank 0's host, if it is there; then the copies RUN/progress.N that failed ranks
/// of other hosts have left (launch/run/host_board.h). Throws Error if RUN/progress cannot be read;
/// skips such a copy.
std::vector<ProgressBoard> run_boards(const std::filesystem::path& run);

/// The cause on the first board, which the whole run has agreed on; else the earliest of the
/// others, whose hosts may have failed without reaching rank 0's.
std::optional<Cause> first_cause(const std::vector<ProgressBoard>& boards);

}  // namespace stagecraft
