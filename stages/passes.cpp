// Passes: what makes a compute list a program that runs.
#include "stages/program.h"

namespace stagecraft {
namespace {

class TransferPass {
 public:
  explicit TransferPass(const Program& program) : program_(program) {}

  StageProgram run(const StageProgram& compute) {
    for (const Group& group : compute) {
      for (const Instruction& instruction : group) {
        receive(instruction);
        order_.push_back({instruction});
        behind_compute_ = true;
        send(instruction);
      }
    }
    return std::move(order_);
  }

 private:
  /// Whether chunk and `neighbour` lie on different stages.
  bool crosses(int chunk, int neighbour) const {
    return neighbour >= 0 && neighbour < program_.chunks && stage_of(chunk) != stage_of(neighbour);
  }
  int stage_of(int chunk) const { return program_.stage_of_chunk[static_cast<std::size_t>(chunk)]; }

  void receive(const Instruction& i) {
    if (i.op == Op::forward && crosses(i.chunk, i.chunk - 1)) {
      transfer({Op::receive_activation, i.chunk, i.microbatch});
    }
    if ((i.op == Op::backward || i.op == Op::backward_input) && crosses(i.chunk, i.chunk + 1)) {
      transfer({Op::receive_gradient, i.chunk, i.microbatch});
    }
  }

  void send(const Instruction& i) {
    if (i.op == Op::forward && crosses(i.chunk, i.chunk + 1)) {
      transfer({Op::send_activation, i.chunk, i.microbatch});
    }
    if ((i.op == Op::backward || i.op == Op::backward_input) && crosses(i.chunk, i.chunk - 1)) {
      transfer({Op::send_gradient, i.chunk, i.microbatch});
    }
  }

  /// Joins the group of transfers since the last compute instruction, or begins one.
  void transfer(const Instruction& instruction) {
    if (behind_compute_ || order_.empty()) {
      order_.emplace_back();
    }
    behind_compute_ = false;
    order_.back().push_back(instruction);
  }

  const Program& program_;
  StageProgram order_;
  bool behind_compute_ = false;
};

}  // namespace

Program with_transfers(Program program) {
  std::vector<StageProgram> stages;
  for (const StageProgram& compute : program.stages) {
    stages.push_back(TransferPass(program).run(compute));
  }
  program.stages = std::move(stages);
  return program;
}

Program with_reductions(Program program, const ReductionShape& shape) {
  const int last = program.chunks - 1;
  for (std::size_t stage = 0; stage < program.stages.size(); ++stage) {
    StageProgram& order = program.stages[stage];
    const auto mine = [&](int chunk) {
      return program.stage_of_chunk[static_cast<std::size_t>(chunk)] == static_cast<int>(stage);
    };
    if (shape.tied && (mine(last) || mine(0))) {
      order.push_back({{Op::reduce_tied, mine(last) ? last : 0, 0}});
    }
    // Backward order: gradients of later chunks are there first.
    for (int chunk = last; chunk >= 0; --chunk) {
      if (shape.data && mine(chunk)) {
        order.push_back({{Op::reduce_data, chunk, 0}});
      }
    }
    order.push_back({{Op::optimizer, 0, 0}});
  }
  return program;
}

}  // namespace stagecraft
