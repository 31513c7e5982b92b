// How a run has to end, by the fault that befell it.
#pragma once

#include <string>
#include <vector>

#include "tests/end_to_end/fault_words.h"

namespace stagecraft::test {

inline constexpr double kWatchdogSeconds = 3;  // run.watchdog_seconds of these runs
/// CUDA and NCCL take some seconds to start, more where processes share a GPU.
inline constexpr double kGpuWatchdogSeconds = 15;
inline constexpr double kStartSeconds = 60;  // on a machine that others use too

/// With status 0 and a model.
bool ends_well(FaultKind kind);
/// Strikes the run, not a rank of it.
bool comes_from_outside(FaultKind kind);
/// How long a run may take to end once it was struck.
double limit_seconds(FaultKind kind, double watchdog_seconds);
/// What the line `cause` has to say; `place` is what the faulty rank wrote down.
std::vector<std::string> owed_words(const FaultWords& fault, const std::string& coordinate,
                                    const std::string& cause);

}  // namespace stagecraft::test
