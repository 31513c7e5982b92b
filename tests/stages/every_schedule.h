// Every schedule's program at given sizes.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "kernels/base/error.h"
#include "stages/program.h"

namespace stagecraft::test {

struct NamedProgram {
  std::string name;
  ScheduleShape shape;
  Program program;  // compute only
};

/// Of 1, 2 and 3 chunks a stage, as far as a schedule takes these sizes.
inline std::vector<NamedProgram> every_schedule(int stages, int microbatches) {
  std::vector<NamedProgram> all;
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
