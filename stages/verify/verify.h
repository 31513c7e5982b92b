// Decides before a run whether every execution of a program ends, each gradient is computed once
// and in order, and no stage exceeds its memory limit. The contract: docs/schedules.md, "The
// proof".
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
  std::vector<StagePeak> peaks;  // per stage; empty if a check other than the byte limit failed
  /// If not proven: what is missing or wrong, or what waits for what, with the remedy.
  std::string counter_example;
  /// The instructions that the counter-example names, in the order of its text.
  std::vector<InstructionSite> sites;
};

/// Near-linear in the number of instructions. If the program deadlocks, the counter-example is the
/// shortest cycle of waiting stages. `where` formats a location, e.g. as FILE:LINE. Throws Error as
/// peaks_of does.
Verdict verify(const Program& program, const ReductionShape& reductions, const Limits& limits = {},
               const SiteFormatter& where = site_text);

}  // namespace stagecraft
