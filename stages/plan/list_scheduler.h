// A greedy list scheduler: builds a program of compute by letting each stage take, whenever it is
// free, what a policy prefers among what it could run.
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
  alternating  // F behind I or B, and I or B behind F
};

/// How a stage chooses.
struct ListPolicy {
  Prefer prefer = Prefer::backward;
  bool later_chunk_first = true;  // among several chunks whose F is ready
  bool halves = true;             // I and W apart, W where nothing else can run; otherwise B
  /// A W may begin while the stage could wait for F or I, if it delays that by at most this part of
  /// W's time.
  double patience = 0.5;
  /// Most pairs of chunk and micro-batch between F and B or I, one a stage.
  std::vector<int> most_activations;
};

/// What a list scheduler needs to know beside its policy.
struct ListProblem {
  int microbatches = 1;
  std::vector<int> stage_of_chunk;
  CostTable costs;
  Limits limits;
};

/// A chunk's F, I and W come in micro-batch order. Keeps to the limits by admitting a micro-batch
/// to a stage only where room is left for the rest of its way through that stage's chunks; tensors
/// between chunks are allowed for, not followed. Near-linear in instructions x stages. Nothing if
/// the limits leave no room for one micro-batch.
std::optional<Program> list_schedule(const ListProblem& problem, const ListPolicy& policy);

}  // namespace stagecraft
