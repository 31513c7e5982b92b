#include "stages/schedules/schedules.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <limits>
#include <utility>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

using enum Op;

void require_chunks(const ScheduleShape& shape, std::string_view name, int chunks,
                    std::string_view remedy) {
  require(shape.chunks == chunks, "schedule", "{} has {} per stage, not {}; {}", name,
          chunks == 1 ? "one chunk" : "two chunks", shape.chunks, remedy);
}

void require_microbatches(const ScheduleShape& shape, std::string_view name, int least) {
  require(shape.microbatches >= least, "schedule",
          "{} over {} stages needs at least {} micro-batches, and has {}; raise the global batch "
          "or use 1f1b",
          name, shape.stages, least, shape.microbatches);
}

/// Warm-up forwards, then F and I alternately, with each W some micro-batches after its I, then the
/// remaining W. Every stage has `lag_per_stage` more warm-up forwards than the next stage, and its
/// W lag its I by `lag_per_stage` micro-batches more than those of the stage before.
Program zero_bubble(const ScheduleShape& shape, int lag_per_stage) {
  return build_per_stage(shape, loop_placement, [&](ComputeList& list, int stage) {
    for (int m = 0; m < lag_per_stage * (shape.stages - stage - 1); ++m) {
      list.add({forward});
    }
    for (int m = 0; m < shape.microbatches; ++m) {
      list.add({forward, backward_input});
      if (m >= lag_per_stage * stage) {
        list.add({backward_weight});
      }
    }
    list.add_left_weights();
  });
}

}  // namespace

Program gpipe(const ScheduleShape& shape) {
  require_chunks(shape, "gpipe", 1, "use looped-bfs");
  return looped_bfs(shape);
}

Program looped_bfs(const ScheduleShape& shape) {
  return build_per_stage(shape, loop_placement, [&](ComputeList& list, int) {
    for (int i = 0; i < shape.chunks * shape.microbatches; ++i) {
      list.add({forward}, i / shape.microbatches);
    }
    for (int i = shape.chunks * shape.microbatches - 1; i >= 0; --i) {
      list.add({backward}, i / shape.microbatches);
    }
  });
}

Program one_f_one_b(const ScheduleShape& shape) {
  require_chunks(shape, "1f1b", 1, "use interleaved");
  return build_per_stage(shape, loop_placement, [&](ComputeList& list, int stage) {
    for (int m = 0; m < shape.stages - stage - 1; ++m) {
      list.add({forward});
    }
    for (int m = 0; m < shape.microbatches; ++m) {
      list.add({forward, backward});
    }
  });
}

Program interleaved(const ScheduleShape& shape) {
  require(shape.chunks >= 2, "schedule", "interleaved needs several chunks per stage; use 1f1b");
  require(shape.microbatches % shape.stages == 0, "schedule",
          "interleaved runs micro-batches in rounds of one per stage: {} micro-batches are not a "
          "multiple of {} stages; change the global batch",
          shape.microbatches, shape.stages);
  return build_per_stage(shape, loop_placement, [&](ComputeList& list, int stage) {
    const int total = shape.microbatches * shape.chunks;
    const int round = shape.stages * shape.chunks;
    const auto local = [&](int i) { return i % round / shape.stages; };
    const int warmup =
        std::min(total, 2 * (shape.stages - stage - 1) + (shape.chunks - 1) * shape.stages);
    for (int i = 0; i < warmup; ++i) {
      list.add({forward}, local(i));
    }
    for (int i = 0; i < total; ++i) {
      if (warmup + i < total) {
        list.add({forward}, local(warmup + i));
      }
      list.add({backward}, shape.chunks - 1 - local(i));
    }
  });
}

Program zb_h1(const ScheduleShape& shape) {
  require_chunks(shape, "zb-h1", 1, "use zb-v");
  return zero_bubble(shape, 1);
}

Program zb_h2(const ScheduleShape& shape) {
  require_chunks(shape, "zb-h2", 1, "use zb-v");
  require_microbatches(shape, "zb-h2", 2 * shape.stages - 1);
  return zero_bubble(shape, 2);
}

Program zb_v(const ScheduleShape& shape) {
  require_chunks(shape, "zb-v", 2, "set chunks = 2");
  require_microbatches(shape, "zb-v", 2 * shape.stages);
  return build_per_stage(shape, v_placement, [&](ComputeList& list, int stage) {
    const int below = shape.stages - stage;
    for (int i = 0; i < 2 * below - 1; ++i) {
      list.add({forward}, 0);
    }
    for (int i = 0; i < stage; ++i) {
      list.add({forward}, 1);
      list.add({forward}, 0);
    }
    for (int i = 0; i < below; ++i) {
      list.add({forward, backward_input, backward_weight}, 1);
    }
    while (list.forwards(1) < shape.microbatches) {
      list.add({forward, backward_input, backward_weight}, 0);
      list.add({forward, backward_input, backward_weight}, 1);
    }
    for (int i = 0; i < stage; ++i) {
      list.add({backward_input}, 0);
      list.add({backward_input}, 1);
    }
    for (int i = 0; i < below; ++i) {
      list.add({backward_input, backward_weight}, 0);
    }
    list.add_left_weights();
  });
}

Program dualpipe_v(const ScheduleShape& shape) {
  require_chunks(shape, "dualpipe-v", 2, "set chunks = 2");
  require_microbatches(shape, "dualpipe-v", 2 * shape.stages);
  return build_per_stage(shape, v_placement, [&](ComputeList& list, int stage) {
    const int below = shape.stages - stage - 1;
    for (int i = 0; i < 2 * below; ++i) {
      list.add({forward}, 0);
    }
    for (int i = 0; i <= stage; ++i) {
      list.add({forward}, 0);
      list.add({forward}, 1);
    }
    for (int i = 0; i < below; ++i) {
      list.add({backward_input, backward_weight, forward}, 1);
    }
    for (int i = 0; i < shape.microbatches - shape.stages - below; ++i) {
      list.add({forward}, 0);
      list.add({backward, forward}, 1);
      list.add({backward}, 0);
    }
    for (int i = 0; i < below; ++i) {
      list.add({backward, forward}, 1);
      list.add({backward}, 0);
    }
    // From the middle of the cool-down on, weight gradients are deferred to fill the gaps at the
    // end.
    std::deque<int> deferred;
    const auto cool_down = [&](int local, bool defer) {
      list.add({defer ? backward_input : backward}, local);
      if (defer) {
        deferred.push_back(local);
      }
    };
    const auto add_deferred = [&] {
      list.add({backward_weight}, deferred.front());
      deferred.pop_front();
    };
    for (int i = 0; i <= stage; ++i) {
      cool_down(1, 2 * i > stage);
      cool_down(0, 2 * i >= stage);
    }
    for (int i = 0; i < below; ++i) {
      add_deferred();
      cool_down(0, true);
    }
    while (!deferred.empty()) {
      add_deferred();
    }
  });
}

Program forwards_of(const Program& training) {
  Program program{.chunks = training.chunks,
                  .microbatches = training.microbatches,
                  .stage_of_chunk = training.stage_of_chunk,
                  .stages = std::vector<StageProgram>(training.stages.size())};
  const auto round = static_cast<int>(training.stages.size());
  for (int begin = 0; begin < program.microbatches; begin += round) {
    for (int chunk = 0; chunk < program.chunks; ++chunk) {
      const int stage = program.stage_of_chunk[static_cast<std::size_t>(chunk)];
      for (int m = begin; m < std::min(begin + round, program.microbatches); ++m) {
        program.stages[static_cast<std::size_t>(stage)].push_back({{forward, chunk, m}});
      }
    }
  }
  return program;
}

const std::vector<ScheduleInfo>& schedules() {
  constexpr int kAny = std::numeric_limits<int>::max();
  static const std::vector<ScheduleInfo> all = {
      {.name = "1f1b", .build = one_f_one_b, .idle_order = 5},
      {.name = "gpipe", .build = gpipe, .idle_order = 5},
      {.name = "interleaved",
       .build = interleaved,
       .min_chunks = 2,
       .max_chunks = kAny,
       .idle_order = 4},
      {.name = "looped-bfs",
       .build = looped_bfs,
       .min_chunks = 2,
       .max_chunks = kAny,
       .idle_order = 5},
      {.name = "zb-h1", .build = zb_h1, .splits_backward = true, .idle_order = 3},
      {.name = "zb-h2", .build = zb_h2, .splits_backward = true, .idle_order = 2},
      {.name = "zb-v",
       .build = zb_v,
       .placement = v_placement,
       .min_chunks = 2,
       .max_chunks = 2,
       .splits_backward = true,
       .idle_order = 0},
      {.name = "dualpipe-v",
       .build = dualpipe_v,
       .placement = v_placement,
       .min_chunks = 2,
       .max_chunks = 2,
       .splits_backward = true,
       .idle_order = 1}};
  return all;
}

const ScheduleInfo& schedule_info(std::string_view name) {
  const std::vector<ScheduleInfo>& all = schedules();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const ScheduleInfo& info) { return info.name == name; });
  if (found == all.end()) {
    throw Error("schedule", fmt::format("there is no schedule \"{}\"; the schedules are {}", name,
                                        fmt::join(schedule_names(), ", ")));
  }
  return *found;
}

const std::vector<std::string>& schedule_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const ScheduleInfo& info : schedules()) {
      all.push_back(info.name);
    }
    return all;
  }();
  return names;
}

std::vector<int> schedule_placement(std::string_view name, int stages, int chunks) {
  const Placement placement = schedule_info(name).placement;
  std::vector<int> stage_of_chunk;
  stage_of_chunk.reserve(static_cast<std::size_t>(stages) * static_cast<std::size_t>(chunks));
  for (int chunk = 0; chunk < stages * chunks; ++chunk) {
    stage_of_chunk.push_back(placement(chunk, stages));
  }
  return stage_of_chunk;
}

Program build_schedule(std::string_view name, const ScheduleShape& shape) {
  return schedule_info(name).build(shape);
}

}  // namespace stagecraft
