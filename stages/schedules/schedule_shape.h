// The sizes that a schedule is built for.
#pragma once

namespace stagecraft {

struct ScheduleShape {
  int stages = 1;
  int microbatches = 1;  // per step
  int chunks = 1;        // per stage
};

}  // namespace stagecraft
