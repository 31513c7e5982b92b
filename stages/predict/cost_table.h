// What the instructions of a program cost. Times are in one unit, which is arbitrary.
#pragma once

#include <optional>
#include <vector>

#include "stages/program/edge.h"
#include "stages/program/instruction.h"

namespace stagecraft {

struct ComputeCosts {
  double forward = 1;
  double backward_input = 1;
  double backward_weight = 1;
  std::optional<double> backward = {};  // default: the sum of its two halves
};

struct CostTable {
  std::vector<ComputeCosts> chunks = {{}};  // one per chunk, or one for all
  double transfer = 0;     // from the issue of the send until the envelope arrives; channel free
  double reduce_tied = 0;  // once both stages have reached it
  double reduce_data = 0;  // of one chunk
  double reduce_tied_data = 0;
  double optimizer = 0;  // once all stages have reached it
  /// D and TD proceed beside the compute behind them, one after the other, and are complete before
  /// U. Otherwise they occupy the stage.
  bool reductions_overlap = false;
  int slots = kReceiveSlots;
};

/// What the table says of an op; of a transfer, how long it travels. `chunk` matters to compute.
double cost_of(const CostTable& costs, Op op, int chunk);
/// Sets that. Requires that the table lists the chunk.
void set_cost(CostTable& costs, Op op, int chunk, double value);
/// Whether the instruction proceeds beside those behind it: D and TD that overlap.
bool overlaps(const CostTable& costs, Op op);
/// How long the instruction occupies its stage; 0 for transfers and for what overlaps.
double duration_of(const CostTable& costs, const Instruction& instruction);

/// Throws Error if costs are negative or not finite, if their number is neither one nor one per
/// chunk, and if there are no slots.
void check_costs(const CostTable& costs, int chunks);

}  // namespace stagecraft
