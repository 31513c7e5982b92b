// The stages of the interpreter: what each holds, and what an instruction does with it.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "stages/schedules/reduction_pass.h"
#include "tests/stages/verify/interpreter.h"

namespace stagecraft::test {

/// Thrown to end an execution that went wrong.
struct Trouble {
  std::string text;
};

template <typename... Args>
void expect(bool holds, fmt::format_string<Args...> text, Args&&... args) {
  if (!holds) {
    throw Trouble{fmt::format(text, std::forward<Args>(args)...)};
  }
}

/// What a stage may hold of a chunk's micro-batch.
enum Thing : std::uint8_t {
  kInput,           // of F
  kOutput,          // of F, to be sent
  kStash,           // from F to B or I
  kWeightStash,     // from I to W
  kOutputGradient,  // for B or I
  kInputGradient,   // of B or I, to be sent
  kForward,         // F has run
  kGradient,        // the weights' gradient has been added
  kThings
};

/// The positions of all stages, and what they hold.
struct State {
  std::vector<std::size_t> position;  // by stage: the group that it has issued
  std::vector<std::uint32_t> ended;   // by stage: members of that group, bit by bit
  std::vector<std::uint8_t> has;      // by chunk, micro-batch, Thing
  std::vector<int> weights_next;      // by chunk: the micro-batch that must be added next
  std::vector<std::int64_t> held;     // bytes by stage
  std::vector<TransferGroup> due;     // by stage: the reductions and U that have not ended
  std::string key() const {
    std::string text;
    for (std::size_t stage = 0; stage < position.size(); ++stage) {
      text += fmt::format("{},{};", position[stage], ended[stage]);
    }
    return text;
  }
};

class Stages {
 public:
  Stages(const Program& program, const ReductionShape& reductions, const Bounds& bounds);

  /// The state in which all stages have issued their first group.
  State begin();
  bool at_end(const State& state, std::size_t stage) const {
    return state.position[stage] == program_.stages[stage].size();
  }
  /// The group that the stage has issued. Requires that the stage has not ended.
  const TransferGroup& group(const State& state, std::size_t stage) const {
    return program_.stages[stage][state.position[stage]];
  }
  /// A member of the issued group does its work and ends. The group ends with its last member.
  void end_member(State& state, std::size_t stage, std::size_t member);
  /// Throws Trouble if this is not a correct final state.
  void judge(const State& state) const;
  /// The maximum of bytes that each stage has held so far.
  const std::vector<std::int64_t>& peaks() const { return peaks_; }
  int owner(int chunk) const { return program_.stage_of_chunk.at(static_cast<std::size_t>(chunk)); }

 private:
  std::size_t index(int chunk, int m) const {
    return static_cast<std::size_t>(chunk) * static_cast<std::size_t>(program_.microbatches) +
           static_cast<std::size_t>(m);
  }
  bool exists(int chunk) const { return chunk >= 0 && chunk < program_.chunks; }
  std::int64_t slot_bytes(int stage) const;
  void hold(State& state, std::size_t stage, std::int64_t bytes);
  /// Counts bytes in addition to what is held, for the time that an instruction runs.
  void need(const State& state, std::size_t stage, std::int64_t bytes);
  /// The bytes that F, B or I releases.
  std::int64_t taken(const Instruction& i) const;
  void take(State& state, const Instruction& i, Thing thing) const;
  void put(State& state, const Instruction& i, Thing thing, int chunk_offset = 0) const;
  /// The stage issues the group that it has reached, if any.
  void enter(State& state, std::size_t stage);
  void check_member(const Instruction& i, const TransferGroup& issued, std::size_t stage) const;
  void run(const Instruction& i, std::size_t stage, State& state);
  /// Returns the bytes that it adds less those that it releases; so does backward.
  std::int64_t forward(const Instruction& i, State& state) const;
  std::int64_t backward(const Instruction& i, State& state) const;
  void add_gradient(const Instruction& i, State& state) const;
  /// The reductions and U that end a step on a stage.
  TransferGroup due_on(int stage) const;
  /// T, D, TD and U: each is due once, D when its chunk's gradients are complete, T when nothing
  /// but these is left, TD behind T, U as the last.
  void end_step(const Instruction& i, std::size_t stage, State& state) const;
  /// Whether only these are left on the line.
  bool is_ending(const State& state, std::size_t stage) const;

  const Program& program_;
  const ReductionShape& reductions_;
  const Bounds& bounds_;
  bool trains_ = false;
  std::vector<std::int64_t> peaks_;
};

}  // namespace stagecraft::test
