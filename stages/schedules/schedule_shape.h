// What a builder of a schedule needs to know.
#pragma once

namespace stagecraft {

/// What a builder needs to know. `microbatches` are those of one step.
struct ScheduleShape {
  int stages = 1;
  int microbatches = 1;
  int chunks = 1;  // a stage
};

}  // namespace stagecraft
