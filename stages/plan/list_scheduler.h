// A greedy list scheduler: builds a compute-only program. Whenever a stage is free, it runs the
// instruction that a policy prefers among those that are ready.
#pragma once

#include <optional>
#include <vector>

#include "stages/predict/simulate.h"
#include "stages/program/program.h"
#include "stages/verify/live_memory.h"

namespace stagecraft {

enum class Prefer {
  backward,    // I or B before F: frees memory first
  forward,     // F before I or B: fills the pipeline first
  alternating  // F after I or B, and I or B after F
};

/// How a stage chooses its next instruction.
struct ListPolicy {
  Prefer prefer = Prefer::backward;
  bool later_chunk_first = true;  // among several chunks whose F is ready
  bool halves = true;             // I and W apart, with W where nothing else can run; otherwise B
  /// While the stage waits for F or I, it may begin a W that delays them by at most this fraction
  /// of W's time.
  double patience = 0.5;
  /// Per stage: the maximum of (chunk, micro-batch) pairs between F and B or I; empty: no maximum.
  std::vector<int> most_activations;
};

/// The sizes, costs and limits that a list scheduler builds for.
struct ListProblem {
  int microbatches = 1;
  std::vector<int> stage_of_chunk;
  CostTable costs;
  Limits limits;
};

/// A chunk's F, I and W come in micro-batch order. Keeps to the limits: a micro-batch enters a
/// stage only if there is room for it in all later chunks of that stage. Tensors between chunks
/// have a fixed allowance and are not tracked. Near-linear in instructions x stages. Nothing if the
/// limits leave no room for one micro-batch.
std::optional<Program> list_schedule(const ListProblem& problem, const ListPolicy& policy);

}  // namespace stagecraft
