// A schedule found by search: the best by simulate, within limits, among the named schedules, what
// a list scheduler builds under several policies, and what small changes make of the best of them.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "stages/predict/simulate.h"
#include "stages/program/program.h"
#include "stages/schedules/schedule_shape.h"
#include "stages/verify/live_memory.h"

namespace stagecraft {

/// What [parallel] schedule calls it.
inline constexpr std::string_view kAutoSchedule = "auto";

struct AutoProblem {
  ScheduleShape shape = {};
  CostTable costs = {};
  /// What stages hold, and may hold, when chunks lie on these stages.
  std::function<Limits(const std::vector<int>& stage_of_chunk)> limits = [](const auto&) {
    return Limits{};
  };
  // About how many instructions may be simulated. Not times: the result is a function of the
  // problem.
  std::size_t named_budget = 5'000'000;  // of named schedules, until one fits in any case
  std::size_t budget = 1'000'000;        // of others
};

struct AutoSchedule {
  Program compute;
  double makespan = 0;     // of compute and transfers
  std::string origin;      // "zb-v", "a list", "changes of a list"
  std::string best_named;  // that fits; empty if none does
  double named_makespan = 0;
};

/// Never worse than the best named schedule that fits, of those that `named_budget` is enough for:
/// beyond it they are tried until one fits, those that idle least where F, I and W take the same
/// first. Chunks lie in a loop or, two a stage, in a V. Throws Error when nothing is found that
/// fits.
AutoSchedule find_schedule(const AutoProblem& problem);

}  // namespace stagecraft
