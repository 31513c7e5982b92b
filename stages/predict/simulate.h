// Predicts when each instruction of a program runs, from what each kind costs. Times are in the
// cost table's unit, which may be any.
#pragma once

#include <optional>
#include <vector>

#include "stages/program/edge.h"
#include "stages/program/program.h"

namespace stagecraft {

struct ComputeCosts {
  double forward = 1;
  double backward_input = 1;
  double backward_weight = 1;
  std::optional<double> backward = {};  // if not given, the sum of its halves
};

struct CostTable {
  std::vector<ComputeCosts> chunks = {{}};  // one a chunk, or one for all
  double transfer = 0;     // from the send's issue until its envelope is there, on a free channel
  double reduce_tied = 0;  // from when both stages have come to it
  double reduce_data = 0;  // of one chunk
  double optimizer = 0;    // from when all stages have come to it
  int slots = kReceiveSlots;
};

/// How long the instruction occupies its stage; transfers do not.
double cost_of(const CostTable& costs, const Instruction& instruction);

/// What one instruction did.
struct Action {
  Instruction instruction = {};
  double came = 0;   // when its stage came to it: all before it had ended
  double begin = 0;  // when it fired. Send: when a slot was free; receive: when the tensor was
                     // there; T and U: when the last stage had come to it
  double end = 0;
};

struct StageTimeline {
  std::vector<Action> actions;  // in program order
  double busy = 0;              // compute, reductions and optimizer
  double idle = 0;              // the rest of the makespan
  int peak_activations = 0;     // most (chunk, micro-batch) pairs between F and B or I; of an
                                // evaluation 0, as it keeps none
  int peak_weight_stashes = 0;  // most between I and W
};

struct Timeline {
  std::vector<StageTimeline> stages;
  double makespan = 0;
  double bubble = 0;  // idle time over makespan, mean over stages
};

/// Executes `program` as the executor does (executor.h): each stage in its order; a send goes on as
/// soon as one of its channel's slots is free, a receive waits for the envelope and frees the slot;
/// a group ends with its last member. A channel carries one tensor at a time. Envelopes travel
/// within `transfer`, credits at once. Near-linear in the instructions. Throws Error for costs that
/// are negative or not one a chunk, and for a program that comes to a standstill, naming who waits
/// for what.
Timeline simulate(const Program& program, const CostTable& costs);

}  // namespace stagecraft
