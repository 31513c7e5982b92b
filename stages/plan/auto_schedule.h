// Searches for a schedule: the one with the shortest simulated makespan, within memory limits,
// among the named schedules, those of a list scheduler under several policies, and small changes of
// the best of these.
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

/// The value of [parallel] schedule that selects this search.
inline constexpr std::string_view kAutoSchedule = "auto";

struct AutoProblem {
  ScheduleShape shape = {};
  CostTable costs = {};
  /// The sizes and the memory limit of the stages, for a placement of the chunks.
  std::function<Limits(const std::vector<int>& stage_of_chunk)> limits = [](const auto&) {
    return Limits{};
  };
  // How many instructions may be simulated, approximately. Budgets are not times, so that the
  // result depends on the problem alone.
  std::size_t named_budget = 5'000'000;  // of named schedules; ignored until one fits
  std::size_t budget = 1'000'000;        // of the others
};

struct AutoSchedule {
  Program compute;
  double makespan = 0;     // of compute and transfers
  std::string origin;      // "zb-v", "a list", "changes of a list"
  std::string best_named;  // the best named schedule that fits; empty if none does
  double named_makespan = 0;
};

/// Never worse than the best named schedule that fits, among those that `named_budget` suffices
/// for. Beyond that budget named schedules are still tried until one fits. They are tried in the
/// order of their idle time when F, I and W take equally long, the least first. Chunks are placed
/// in a loop or, with two per stage, also in a V. Throws Error if nothing that fits is found.
AutoSchedule find_schedule(const AutoProblem& problem);

}  // namespace stagecraft
