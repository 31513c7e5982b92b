// How a run must end after each kind of fault.
#pragma once

#include <string>
#include <vector>

#include "tests/end_to_end/fault_words.h"

namespace stagecraft::test {

inline constexpr double kWatchdogSeconds = 3;  // run.watchdog_seconds of these runs
/// CUDA and NCCL take some seconds to start, more where processes share a GPU.
inline constexpr double kGpuWatchdogSeconds = 15;
inline constexpr double kStartSeconds = 60;  // on a shared machine

/// Whether the run ends with its state saved: with status 0 and a model, or stopped with a
/// checkpoint.
bool ends_well(FaultKind kind);
/// Whether the fault is a stop, which the run ends with a checkpoint.
bool is_stop(FaultKind kind);

/// The exit status of launch/train.
int owed_status(FaultKind kind);
/// Whether the fault comes from outside the ranks.
bool comes_from_outside(FaultKind kind);
/// How long a run may take to end after the fault.
double limit_seconds(FaultKind kind, double watchdog_seconds);
/// Words that the line `cause` must contain. `position` is the location that the faulty rank
/// wrote.
std::vector<std::string> owed_words(const FaultWords& fault, const std::string& position,
                                    const std::string& cause);

}  // namespace stagecraft::test
