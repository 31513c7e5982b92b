// The list that a schedule builder fills: the compute of every stage, in order.
#pragma once

#include <functional>
#include <initializer_list>
#include <vector>

#include "stages/program/program.h"
#include "stages/schedules/schedule_shape.h"

namespace stagecraft {

/// Collects the compute of one stage. `local` numbers the stage's chunks in model order, from 0.
/// Each chunk's micro-batches are added in order.
class ComputeList {
 public:
  ComputeList(std::vector<int> chunks, int microbatches);

  /// Adds each of `ops` for the next micro-batch of chunk `local` that has not had it. Adds nothing
  /// for an op that all micro-batches have had.
  void add(std::initializer_list<Op> ops, int local = 0);
  /// Adds all remaining weight gradients, those of the stage's last chunk first.
  void add_left_weights();
  int forwards(int local) const { return done_[static_cast<std::size_t>(local)].forwards; }
  StageProgram take() { return std::move(order_); }

 private:
  struct Done {
    int forwards = 0;
    int inputs = 0;   // by B or I
    int weights = 0;  // by B or W
  };
  std::vector<int> chunks_;
  int microbatches_;
  std::vector<Done> done_;
  StageProgram order_;
};

/// Gives the stage of a chunk.
using Placement = int (*)(int chunk, int stages);
/// Chunk c is on stage c modulo p.
int loop_placement(int chunk, int stages);
/// The first p chunks are on stages 0 to p - 1, the next p on stages p - 1 to 0.
int v_placement(int chunk, int stages);

/// The program whose stages `list` fills one by one. Throws Error for a shape without stages,
/// chunks or micro-batches.
Program build_per_stage(const ScheduleShape& shape, Placement placement,
                        const std::function<void(ComputeList&, int stage)>& list);

}  // namespace stagecraft
