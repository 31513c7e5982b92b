// One guard per process. It never blocks: it watches the progress board, and when a stage fails,
// stops moving, or all wait for each other, it wakes every wait and names the cause.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/messages.h"
#include "stages/progress_board.h"
#include "tensor_parallel/mesh.h"

namespace stagecraft {

/// What a guard watches.
struct GuardSetup {
  MeshShape mesh;
  double watchdog_seconds = 30;
  std::shared_ptr<ProgressBoard> board;
  std::vector<int> stage_of_chunk;
  std::function<void(std::string_view culprit)> abort;  // of the world; any thread
};

/// "" while all is well, otherwise who has not moved for longer than the limit, and where.
std::string find_culprit(const GuardSetup& setup, std::int64_t now_ns);

struct GuardState {
  // No aggregate: C++20 lets CAF 0.17 initialise an aggregate's first member from the actor's
  // address.
  GuardState() = default;
  static inline const char* name = "guard";
  bool failed = false;
};

GuardActor::behavior_type guard_actor(GuardActor::stateful_pointer<GuardState> self,
                                      const std::shared_ptr<GuardSetup>& setup,
                                      const DriverActor& driver);

}  // namespace stagecraft
