// A program is one issue order per stage. Builders list compute only; passes add transfers and
// reductions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "stages/program/instruction.h"

namespace stagecraft {

/// Instructions that are issued together: one instruction, or several concurrent transfers.
using TransferGroup = std::vector<Instruction>;
using StageProgram = std::vector<TransferGroup>;

struct Program {
  int chunks = 1;
  int microbatches = 1;
  std::vector<int> stage_of_chunk;   // size `chunks`
  std::vector<StageProgram> stages;  // one per stage
  friend bool operator==(const Program&, const Program&) = default;
};

/// The stages of the first and of the last chunk, which hold the uses of a tied parameter.
struct ModelEnds {
  int first = 0;
  int last = 0;
  bool on_two_stages() const { return first != last; }
  bool has(int stage) const { return stage == first || stage == last; }
};
ModelEnds model_ends(const std::vector<int>& stage_of_chunk);

/// Whether the program has any B, I or W; otherwise it is an evaluation.
bool trains(const Program& program);
bool is_compute_only(const Program& program);
bool has_transfers(const Program& program);
/// Whether the program has transfers, if it has more than one stage, and U, if it trains. Does not
/// check that all of them are there: verify does.
bool is_whole(const Program& program);
/// The program reduced to its F, B, I and W.
Program compute_of(Program program);

}  // namespace stagecraft
