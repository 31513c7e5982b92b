// A program: one issue order per stage. Builders list compute only; passes add transfers and
// reductions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "stages/program/instruction.h"

namespace stagecraft {

/// What is issued together: one instruction, or a group of transfers that proceed side by side.
using TransferGroup = std::vector<Instruction>;
using StageProgram = std::vector<TransferGroup>;

struct Program {
  int chunks = 1;
  int microbatches = 1;
  std::vector<int> stage_of_chunk;   // size `chunks`
  std::vector<StageProgram> stages;  // one a stage
  friend bool operator==(const Program&, const Program&) = default;
};

/// The stages of the first and of the last chunk. The uses of a tied parameter lie there.
struct ModelEnds {
  int first = 0;
  int last = 0;
  bool on_two_stages() const { return first != last; }
  bool has(int stage) const { return stage == first || stage == last; }
};
ModelEnds model_ends(const std::vector<int>& stage_of_chunk);

/// Whether it has any B, I or W; otherwise it is an evaluation.
bool trains(const Program& program);
bool is_compute_only(const Program& program);
bool has_transfers(const Program& program);
/// Whether it has transfers and, where it trains, U, as far as it needs them; whether it has all of
/// them is for verify to say.
bool is_whole(const Program& program);
/// The program with its F, B, I and W alone.
Program compute_of(Program program);

}  // namespace stagecraft
