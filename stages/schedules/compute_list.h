// What a builder of a schedule writes down: the compute of every stage, in its order.
#pragma once

#include <functional>
#include <initializer_list>
#include <vector>

#include "stages/program/program.h"
#include "stages/schedules/schedule_shape.h"

namespace stagecraft {

/// The compute of one stage as it is listed. The stage's chunks are counted in model order, from 0;
/// every chunk's micro-batches come in their order.
class ComputeList {
 public:
  ComputeList(std::vector<int> chunks, int microbatches);

  /// `ops` for the next micro-batch of the stage's chunk `local`; nothing when all have had it.
  void add(std::initializer_list<Op> ops, int local = 0);
  /// All weight gradients that are left, of the stage's last chunk first.
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

/// The stage of a chunk.
using Placement = int (*)(int chunk, int stages);
/// Chunk c on stage c modulo p.
int loop_placement(int chunk, int stages);
/// Down through the stages and up again.
int v_placement(int chunk, int stages);

/// The program of which `list` writes down each stage. Throws Error for a shape without stages,
/// chunks or micro-batches.
Program listed(const ScheduleShape& shape, Placement placement,
               const std::function<void(ComputeList&, int stage)>& list);

}  // namespace stagecraft
