// The limit on files that a process may hold open at once (RLIMIT_NOFILE). Connections, shared
// windows and pipes count, so a run of many processes needs more than most systems grant at first.
#pragma once

#include <cstdint>

#include "stages/plan/plan.h"

namespace stagecraft {

/// An upper bound of the files that the process of `rank` holds open at once.
std::int64_t open_files_of_rank(const TrainingPlan& plan, int rank);

/// The same for the rank that holds most.
std::int64_t open_files_of_any_rank(const TrainingPlan& plan);

/// The same for an mpirun that starts `processes` on its host.
std::int64_t open_files_of_mpirun(int processes);

/// Throws ConfigError with the remedy if this host's hard limit is lower than `files`.
void check_open_files(std::int64_t files);

/// Raises this process's limit to `files` if it is lower. Throws as check_open_files does.
void raise_open_files(std::int64_t files);

}  // namespace stagecraft
