// Schedules: builders that list compute only.
#include <algorithm>
#include <functional>

#include "kernels/base/error.h"
#include "stages/program.h"

namespace stagecraft {
namespace {

/// One chunk a stage, each stage's compute as `order` lists it.
Program one_chunk_a_stage(const ScheduleShape& shape,
                          const std::function<StageProgram(int stage)>& order) {
  require(shape.stages >= 1 && shape.microbatches >= 1, "schedule",
          "{} stages with {} micro-batches make no program", shape.stages, shape.microbatches);
  Program program{.chunks = shape.stages,
                  .microbatches = shape.microbatches,
                  .stage_of_chunk = {},
                  .stages = {}};
  for (int stage = 0; stage < shape.stages; ++stage) {
    program.stage_of_chunk.push_back(stage);
    program.stages.push_back(order(stage));
  }
  return program;
}

}  // namespace

Program gpipe(const ScheduleShape& shape) {
  return one_chunk_a_stage(shape, [&](int stage) {
    StageProgram order;
    for (const Op op : {Op::forward, Op::backward}) {
      for (int m = 0; m < shape.microbatches; ++m) {
        order.push_back({{op, stage, m}});
      }
    }
    return order;
  });
}

Program one_f_one_b(const ScheduleShape& shape) {
  return one_chunk_a_stage(shape, [&](int stage) {
    StageProgram order;
    const int warmup = std::min(shape.stages - stage - 1, shape.microbatches);
    for (int m = 0; m < warmup; ++m) {
      order.push_back({{Op::forward, stage, m}});
    }
    for (int m = 0; m < shape.microbatches; ++m) {
      if (warmup + m < shape.microbatches) {
        order.push_back({{Op::forward, stage, warmup + m}});
      }
      order.push_back({{Op::backward, stage, m}});
    }
    return order;
  });
}

Program forward_only(const ScheduleShape& shape) {
  return one_chunk_a_stage(shape, [&](int stage) {
    StageProgram order;
    for (int m = 0; m < shape.microbatches; ++m) {
      order.push_back({{Op::forward, stage, m}});
    }
    return order;
  });
}

const std::vector<std::string>& schedule_names() {
  static const std::vector<std::string> names = {"1f1b", "gpipe"};
  return names;
}

Program build_schedule(std::string_view name, const ScheduleShape& shape) {
  require(name == "1f1b" || name == "gpipe", "schedule",
          "\"{}\" is no schedule; the schedules are 1f1b and gpipe", name);
  return name == "1f1b" ? one_f_one_b(shape) : gpipe(shape);
}

}  // namespace stagecraft
