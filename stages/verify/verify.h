// Decides before a run whether every execution of a program ends, each gradient is computed once
// and in order, and no stage holds more than it may. The contract: docs/schedules.md, "The proof".
#pragma once

#include <string>
#include <vector>

#include "stages/program/program.h"
#include "stages/schedules/reduction_pass.h"
#include "stages/verify/instruction_site.h"
#include "stages/verify/live_memory.h"

namespace stagecraft {

struct Verdict {
  bool proven = false;
  std::vector<StagePeak> peaks;  // one a stage; empty where the program as such is refused
  /// Not proven: what is missing or wrong, or who waits for whom, and a sentence on the remedy.
  std::string counter_example;
  /// The instructions of the program that it names, in its order.
  std::vector<InstructionSite> steps;
};

/// Near-linear in the instructions. Of a program that comes to a standstill the counter-example is
/// the shortest circle among the stages that wait there. `where` words the places, of a program
/// that was read from a file by its lines. Throws Error as peaks_of does.
Verdict verify(const Program& program, const ReductionShape& reductions, const Limits& limits = {},
               const SiteFormatter& where = site_text);

}  // namespace stagecraft
