#include "stages/schedules/transfer_pass.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "stages/program/rendezvous_execution.h"

namespace stagecraft {
namespace {

class TransferPass {
 public:
  explicit TransferPass(const Program& program) : program_(program) {}

  StageProgram run(const StageProgram& compute) {
    order_.reserve(2 * compute.size() + 1);
    for (const TransferGroup& group : compute) {
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
    if (const auto payload = payload_of(i.op)) {
      transfer({transfer_op(*payload, false), i.chunk, i.microbatch});
    }
  }

  void send(const Instruction& i) {
    if (const auto payload = payload_of(i.op)) {
      transfer({transfer_op(*payload, true), i.chunk, i.microbatch});
    }
  }

  /// Joins the group of transfers since the last compute instruction, or begins one. Does nothing
  /// if the tensor stays on the stage.
  void transfer(const Instruction& instruction) {
    if (!crosses(instruction.chunk, other_end(instruction).chunk)) {
      return;
    }
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

/// Executes a program in the worst case. Where it deadlocks, hoists receives: moves the receive of
/// a tensor that is being sent forward into the current group of its stage.
class ReceiveHoister {
 public:
  explicit ReceiveHoister(Program& program)
      : program_(program),
        worst_(program),
        place_(program.stages.size(), kOff),
        hoisted_(2 * static_cast<std::size_t>(program.chunks) *
                 static_cast<std::size_t>(program.microbatches)),
        met_(hoisted_.size()) {}

  /// Leaves the program unchanged if hoisting does not resolve every deadlock; verify then reports
  /// it.
  void run() {
    bool ended = worst_.run();
    while (!ended && hoist_one()) {
      ended = worst_.run();
    }
    if (any_hoisted_) {
      std::for_each(program_.stages.begin(), program_.stages.end(),
                    [&](StageProgram& line) { keep_one(line, ended); });
    }
  }

 private:
  /// The index of a receive among all receives.
  std::size_t number(const Instruction& receive) const {
    const auto kind = payload_of(receive.op) == Payload::gradient ? 1U : 0U;
    return (static_cast<std::size_t>(receive.chunk) * 2 + kind) *
               static_cast<std::size_t>(program_.microbatches) +
           static_cast<std::size_t>(receive.microbatch);
  }

  /// A hoisted receive occurs twice on its line. Keeps the first occurrence, the hoisted one, if
  /// `forward`, and otherwise the second, the original one.
  void keep_one(StageProgram& line, bool forward) {
    for (TransferGroup& group : line) {
      std::erase_if(group, [&](const Instruction& i) {
        if (!is_receive(i.op) || !hoisted_[number(i)]) {
          return false;
        }
        const bool first = !met_[number(i)];
        met_[number(i)] = true;
        return first != forward;
      });
    }
    std::erase_if(line, [](const TransferGroup& group) { return group.empty(); });
  }

  /// Whether the other end of a transfer was issued.
  bool is_met(const Instruction& transfer) const { return worst_.is_issued(other_end(transfer)); }

  /// Where to insert a receive: within a channel, receives keep the order of the sends, so it goes
  /// after receives whose send was issued and before those whose send was not.
  TransferGroup::iterator insertion_point(TransferGroup& group, Op op, int source) const {
    return std::find_if(group.begin(), group.end(), [&](const Instruction& i) {
      return i.op == op && worst_.stage_of(other_end(i)) == source && !is_met(i);
    });
  }

  /// Follows which stage waits for which until a stage repeats, then hoists the first receive on
  /// that cycle that a send waits for. False if there is none.
  bool hoist_one() {
    cut_path();
    int stage = 0;
    if (path_.empty()) {
      while (worst_.at_end(stage)) {
        ++stage;
      }
    } else {
      stage = awaited_by(path_.back());
    }
    while (place_[static_cast<std::size_t>(stage)] == kOff) {
      if (!worst_.unmet(stage)) {
        return false;  // the last stage waits for one that has ended
      }
      place_[static_cast<std::size_t>(stage)] = path_.size();
      path_.push_back(stage);
      stage = awaited_by(stage);
    }
    for (std::size_t at = place_[static_cast<std::size_t>(stage)]; at < path_.size(); ++at) {
      const Instruction unmet = *worst_.unmet(path_[at]);
      if (is_send(unmet.op)) {
        hoist(other_end(unmet), path_[at]);
        return true;
      }
    }
    return false;
  }

  /// The stage that `stage` waits for.
  int awaited_by(int stage) const { return worst_.stage_of(other_end(*worst_.unmet(stage))); }

  /// Keeps the part of the last path whose stages still wait as before.
  void cut_path() {
    std::size_t size = path_.size();
    for (const int stage : worst_.take_changed()) {
      size = std::min(size, place_[static_cast<std::size_t>(stage)]);
    }
    for (; path_.size() > size; path_.pop_back()) {
      place_[static_cast<std::size_t>(path_.back())] = kOff;
    }
  }

  void hoist(const Instruction& receive, int source) {
    const int stage = worst_.stage_of(receive);
    const std::size_t position = worst_.position(stage);
    TransferGroup& group = program_.stages[static_cast<std::size_t>(stage)][position];
    group.insert(insertion_point(group, receive.op, source), receive);
    worst_.issue(receive);
    hoisted_[number(receive)] = true;
    any_hoisted_ = true;
  }

  static constexpr std::size_t kOff = std::numeric_limits<std::size_t>::max();

  Program& program_;
  RendezvousExecution worst_;
  std::vector<int> path_;           // stages: each waits for the next, the last for one of them
  std::vector<std::size_t> place_;  // index in path_, by stage
  std::vector<bool> hoisted_;       // by number()
  std::vector<bool> met_;           // by number(): keep_one has seen it
  bool any_hoisted_ = false;
};

/// Whether every instruction is on its chunk's stage, as RendezvousExecution requires.
bool is_placed(const Program& program) {
  for (std::size_t stage = 0; stage < program.stages.size(); ++stage) {
    for (const TransferGroup& group : program.stages[stage]) {
      for (const Instruction& i : group) {
        if (program.stage_of_chunk[static_cast<std::size_t>(i.chunk)] != static_cast<int>(stage)) {
          return false;
        }
      }
    }
  }
  return true;
}

}  // namespace

Program with_transfers(Program program) {
  const bool placed = is_placed(program);
  for (StageProgram& line : program.stages) {
    line = TransferPass(program).run(line);
  }
  if (placed) {  // otherwise verify reports the instruction
    ReceiveHoister(program).run();
  }
  return program;
}

}  // namespace stagecraft
