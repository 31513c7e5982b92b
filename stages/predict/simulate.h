// Predicts when each instruction of a program runs, from the cost of each kind. Times are in the
// unit of the cost table.
#pragma once

#include <cstddef>
#include <vector>

#include "stages/predict/cost_table.h"
#include "stages/program/program.h"

namespace stagecraft {

/// One executed instruction.
struct Action {
  Instruction instruction = {};
  double came = 0;   // when its stage reached it: the group before had ended; U: and the reductions
  double begin = 0;  // when it fired. Send: when a slot was free; receive: when the tensor had
                     // arrived; T and U: when the last stage had reached it
  double end = 0;
};

/// A reduction that proceeds beside the actions behind it.
struct ReductionTime {
  std::size_t action = 0;  // position in StageTimeline::actions
  double begin = 0;
  double end = 0;
};

struct StageTimeline {
  std::vector<Action> actions;            // in program order
  std::vector<ReductionTime> reductions;  // that overlap, in order
  double busy = 0;                        // compute, reductions that occupy it, and optimizer
  double reduction_wait = 0;              // before U, for reductions that overlap
  double idle = 0;              // the rest of the makespan, without the wait for reductions
  int peak_activations = 0;     // maximum of (chunk, micro-batch) pairs between F and B or I; 0 in
                                // an evaluation, which keeps none
  int peak_weight_stashes = 0;  // maximum of such pairs between I and W
};

struct Timeline {
  std::vector<StageTimeline> stages;
  double makespan = 0;
  double bubble = 0;  // idle time over makespan, mean over stages
};

/// Executes `program` as the executor does (executor.h). Each stage runs its line in order. A send
/// waits only for a free slot of its channel; a receive waits for the envelope and frees the slot.
/// A group ends with its last member. A channel carries one tensor at a time. An envelope takes
/// `transfer`, a credit no time. A reduction that overlaps begins when those before it have ended.
/// Near-linear in the number of instructions. Throws Error if costs are negative or their number is
/// neither one nor one per chunk, and if the program deadlocks; then the text says which stage
/// waits for what.
Timeline simulate(const Program& program, const CostTable& costs);

}  // namespace stagecraft
