// Passes: what makes a compute list a program that runs.
#include <algorithm>
#include <optional>

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

/// Runs the program in the worst case, sends being rendezvous, and where it sticks draws the
/// receives of what is being sent forward into the groups that their stages have come to.
class Rendezvous {
 public:
  explicit Rendezvous(const Program& program)
      : program_(program),
        lines_(program.stages.size()),
        issued_(kTransfers * static_cast<std::size_t>(program.chunks) *
                static_cast<std::size_t>(program.microbatches)) {}

  std::vector<StageProgram> run() {
    for (std::size_t stage = 0; stage < lines_.size(); ++stage) {
      take_group(stage);
    }
    while (advance() || draw_forward()) {
    }
    std::vector<StageProgram> stages;
    for (Line& line : lines_) {
      stages.push_back(std::move(line.done));
    }
    return stages;
  }
  /// Whether every stage came to its end.
  bool complete() const {
    return std::all_of(lines_.begin(), lines_.end(),
                       [](const Line& line) { return line.current.empty(); });
  }

 private:
  static constexpr std::size_t kTransfers = 4;  // SA, RA, SG, RG
  struct Line {
    std::size_t next = 0;  // group behind the current one
    Group current;         // empty at the end
    StageProgram done;
  };

  std::size_t slot(const Instruction& i) const {
    const auto op = static_cast<std::size_t>(i.op) - static_cast<std::size_t>(Op::send_activation);
    return (op * static_cast<std::size_t>(program_.chunks) + static_cast<std::size_t>(i.chunk)) *
               static_cast<std::size_t>(program_.microbatches) +
           static_cast<std::size_t>(i.microbatch);
  }

  std::size_t stage_of(const Instruction& i) const {
    return static_cast<std::size_t>(program_.stage_of_chunk[static_cast<std::size_t>(i.chunk)]);
  }
  /// Whether the stage of a transfer's other end has come to it.
  bool is_met(const Instruction& transfer) const { return issued_[slot(other_end(transfer))]; }

  /// The next group without what was drawn forward before.
  void take_group(std::size_t stage) {
    Line& line = lines_[stage];
    line.current.clear();
    const StageProgram& order = program_.stages[stage];
    while (line.current.empty() && line.next < order.size()) {
      for (const Instruction& i : order[line.next++]) {
        if (!is_transfer(i.op)) {
          line.current.push_back(i);
        } else if (!issued_[slot(i)]) {
          issued_[slot(i)] = true;
          line.current.push_back(i);
        }
      }
    }
  }

  bool can_end(const Group& group) const {
    return std::all_of(group.begin(), group.end(),
                       [&](const Instruction& i) { return !is_transfer(i.op) || is_met(i); });
  }

  bool advance() {
    bool any = false;
    for (std::size_t stage = 0; stage < lines_.size(); ++stage) {
      Line& line = lines_[stage];
      while (!line.current.empty() && can_end(line.current)) {
        line.done.push_back(line.current);
        take_group(stage);
        any = true;
      }
    }
    return any;
  }

  /// Within a channel receives keep the order of its sends: behind those that are being sent to,
  /// before those that are not.
  Group::iterator place_of(Group& group, Op op, std::size_t source) const {
    return std::find_if(group.begin(), group.end(), [&](const Instruction& i) {
      return i.op == op && stage_of(other_end(i)) == source && !is_met(i);
    });
  }

  /// Follows who waits for whom until a stage comes again, and then, around that cycle, draws the
  /// first receive forward that a send waits for. False when there is none.
  bool draw_forward() {
    std::vector<std::size_t> path;
    std::size_t stage = 0;
    while (stage < lines_.size() && lines_[stage].current.empty()) {
      ++stage;
    }
    if (stage == lines_.size()) {
      return false;
    }
    while (std::find(path.begin(), path.end(), stage) == path.end()) {
      const auto unmet = unmet_of(stage);
      if (!unmet || lines_[stage_of(other_end(*unmet))].current.empty()) {
        return false;  // waits for a stage at its end
      }
      path.push_back(stage);
      stage = stage_of(other_end(*unmet));
    }
    for (auto member = std::find(path.begin(), path.end(), stage); member != path.end(); ++member) {
      const Instruction unmet = *unmet_of(*member);
      if (is_send(unmet.op)) {
        const Instruction receive = other_end(unmet);
        Group& group = lines_[stage_of(receive)].current;
        group.insert(place_of(group, receive.op, *member), receive);
        issued_[slot(receive)] = true;
        return true;
      }
    }
    return false;
  }

  /// The first transfer of a stage's current group whose other end is not issued.
  std::optional<Instruction> unmet_of(std::size_t stage) const {
    for (const Instruction& i : lines_[stage].current) {
      if (is_transfer(i.op) && !is_met(i)) {
        return i;
      }
    }
    return {};
  }

  const Program& program_;
  std::vector<Line> lines_;
  std::vector<bool> issued_;  // by slot: the transfer's stage has come to it
};

}  // namespace

Program with_transfers(Program program) {
  std::vector<StageProgram> stages;
  for (const StageProgram& compute : program.stages) {
    stages.push_back(TransferPass(program).run(compute));
  }
  program.stages = std::move(stages);
  Rendezvous rendezvous(program);
  stages = rendezvous.run();
  if (rendezvous
          .complete()) {  // otherwise the compute lists wait for each other: verify says where
    program.stages = std::move(stages);
  }
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
