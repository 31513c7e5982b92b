// The programs of every schedule at given sizes.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "kernels/base/error.h"
#include "stages/plan/auto_schedule.h"
#include "stages/program/program.h"
#include "stages/schedules/schedule_shape.h"
#include "stages/schedules/schedules.h"

namespace stagecraft::test {

struct NamedProgram {
  std::string name;
  ScheduleShape shape;
  Program program;  // compute only
};

/// Adds the schedule that auto finds, at small sizes only; the last chunk costs more, as with a
/// head.
inline void add_auto(const ScheduleShape& shape, std::vector<NamedProgram>& all) {
  if (shape.stages > 4 || shape.microbatches > 8) {
    return;
  }
  AutoProblem problem{.shape = shape, .costs = {.transfer = 0.25}, .budget = 20'000};
  problem.costs.chunks.assign(static_cast<std::size_t>(shape.stages * shape.chunks), {});
  problem.costs.chunks.back() = {.forward = 1.5, .backward_input = 2, .backward_weight = 1};
  all.push_back({std::string(kAutoSchedule), shape, find_schedule(problem).compute});
}

/// With 1, 2 and 3 chunks per stage, if the sizes are in the schedule's domain.
inline std::vector<NamedProgram> every_schedule(int stages, int microbatches) {
  std::vector<NamedProgram> all;
  for (const int chunks : {1, 2, 3}) {
    add_auto({.stages = stages, .microbatches = microbatches, .chunks = chunks}, all);
  }
  for (const std::string& name : schedule_names()) {
    for (const int chunks : {1, 2, 3}) {
      const ScheduleShape shape{.stages = stages, .microbatches = microbatches, .chunks = chunks};
      try {
        all.push_back({name, shape, build_schedule(name, shape)});
      } catch (const Error&) {
        continue;  // outside its domain
      }
    }
  }
  return all;
}

}  // namespace stagecraft::test
