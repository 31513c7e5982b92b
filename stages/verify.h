// Decides before a run whether every execution of a program ends.
#pragma once

#include <string>
#include <vector>

#include "stages/program.h"

namespace stagecraft {

struct Verdict {
  bool proven = false;
  /// Most micro-batches, over its chunks, whose activations a stage holds at once.
  std::vector<int> peak_live;
  /// Not proven: what is missing, or the cycle of instructions that wait for each other, with the
  /// stage of each, and a sentence on the remedy.
  std::string counter_example;
};

/// The worst case: sends are rendezvous; every stage issues its instructions in program order, one
/// communication at a time, a group together. Checked: each chunk's F once per micro-batch, and B,
/// or I and W, once after it, or none at all (an evaluation); weight gradients in micro-batch
/// order; every transfer there, with its partner, after its producer and before its consumer; both
/// ends of a channel in one order; T, D and U in their places; no cycle of waits.
Verdict verify(const Program& program, const ReductionShape& reductions);

}  // namespace stagecraft
