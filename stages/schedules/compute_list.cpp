#include "stages/schedules/compute_list.h"

#include <utility>

#include "kernels/base/error.h"

namespace stagecraft {

using enum Op;

ComputeList::ComputeList(std::vector<int> chunks, int microbatches)
    : chunks_(std::move(chunks)), microbatches_(microbatches), done_(chunks_.size()) {}

void ComputeList::add(std::initializer_list<Op> ops, int local) {
  Done& done = done_[static_cast<std::size_t>(local)];
  for (const Op op : ops) {
    int& next = op == forward ? done.forwards : op == backward_weight ? done.weights : done.inputs;
    if (next < microbatches_) {
      order_.push_back({{op, chunks_[static_cast<std::size_t>(local)], next}});
    }
    ++next;
    done.weights += op == backward ? 1 : 0;
  }
}

void ComputeList::add_left_weights() {
  for (std::size_t local = chunks_.size(); local-- > 0;) {
    while (done_[local].weights < microbatches_) {
      add({backward_weight}, static_cast<int>(local));
    }
  }
}

int loop_placement(int chunk, int stages) { return chunk % stages; }

int v_placement(int chunk, int stages) { return chunk < stages ? chunk : 2 * stages - 1 - chunk; }

Program build_per_stage(const ScheduleShape& shape, Placement placement,
                        const std::function<void(ComputeList&, int stage)>& list) {
  require(shape.stages >= 1 && shape.chunks >= 1 && shape.microbatches >= 1, "schedule",
          "{} stages of {} chunks with {} micro-batches make no program", shape.stages,
          shape.chunks, shape.microbatches);
  Program program{.chunks = shape.stages * shape.chunks,
                  .microbatches = shape.microbatches,
                  .stage_of_chunk = {},
                  .stages = {}};
  std::vector<std::vector<int>> owned(static_cast<std::size_t>(shape.stages));
  for (int chunk = 0; chunk < program.chunks; ++chunk) {
    program.stage_of_chunk.push_back(placement(chunk, shape.stages));
    owned[static_cast<std::size_t>(program.stage_of_chunk.back())].push_back(chunk);
  }
  for (int stage = 0; stage < shape.stages; ++stage) {
    ComputeList order(owned[static_cast<std::size_t>(stage)], shape.microbatches);
    list(order, stage);
    program.stages.push_back(order.take());
  }
  return program;
}

}  // namespace stagecraft
