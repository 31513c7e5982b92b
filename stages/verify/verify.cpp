#include "stages/verify/verify.h"

#include "stages/program/edge.h"
#include "stages/verify/channel_check.h"
#include "stages/verify/line_check.h"
#include "stages/verify/location_check.h"
#include "stages/verify/wait_check.h"

namespace stagecraft {
namespace {

Check check_slots(const Program& program, const Limits& limits, const DiagnosticWriter& diagnose) {
  const std::vector<Edge> edges = edges_of(program.stage_of_chunk);
  if (limits.slots >= 1 || edges.empty()) {
    return {};
  }
  return diagnose(
      "the channel {} has {} slots, so nothing can be sent; give every channel at least one",
      to_string(edges.front()), limits.slots);
}

Check check_program(const Program& program, const ReductionShape& reductions, const Limits& limits,
                    const DiagnosticWriter& diagnose) {
  if (Check found = check_locations(program, diagnose)) {
    return found;
  }
  if (Check found = check_lines(program, reductions, diagnose)) {
    return found;
  }
  if (Check found = check_slots(program, limits, diagnose)) {
    return found;
  }
  if (Check found = check_channels(program, diagnose)) {
    return found;
  }
  return check_waits(program, diagnose);
}

Check check_bytes(const Program& program, const std::vector<StagePeak>& peaks, const Limits& limits,
                  const DiagnosticWriter& diagnose) {
  for (std::size_t stage = 0; limits.bytes && stage < peaks.size(); ++stage) {
    const StagePeak& peak = peaks[stage];
    if (peak.bytes <= *limits.bytes) {
      continue;
    }
    const StageProgram& line = program.stages[stage];
    if (peak.held.total() == 0 || line.empty()) {
      return diagnose(
          "stage {} holds {} bytes throughout where {} are allowed; give it fewer layers, or raise "
          "the limit",
          stage, peak.bytes, *limits.bytes);
    }
    return diagnose(
        "stage {} holds {} bytes at {} where {} are allowed: {} of saved activations, {} of "
        "weight stashes, {} of tensors between chunks and of the running instruction, {} "
        "throughout; run B or W earlier or F later, use smaller micro-batches, or raise the limit",
        stage, peak.bytes,
        InstructionSite{static_cast<int>(stage), static_cast<int>(peak.position),
                        line[peak.position].front()},
        *limits.bytes, peak.held.stash, peak.held.weight_stash, peak.held.rest,
        peak.bytes - peak.held.total());
  }
  return {};
}

}  // namespace

Verdict verify(const Program& program, const ReductionShape& reductions, const Limits& limits,
               const SiteFormatter& where) {
  const DiagnosticWriter diagnose(where);
  Verdict verdict;
  Check found = check_program(program, reductions, limits, diagnose);
  if (!found) {
    verdict.peaks = peaks_of(program, limits);
    found = check_bytes(program, verdict.peaks, limits, diagnose);
  }
  verdict.proven = !found;
  if (found) {
    verdict.counter_example = std::move(found->text);
    verdict.sites = std::move(found->sites);
  }
  return verdict;
}

}  // namespace stagecraft
