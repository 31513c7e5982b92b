// The machine that a plan is for, as far as time and memory depend on it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stages/machine_config.h"
#include "stages/plan.h"
#include "stages/simulate.h"

namespace stagecraft {

struct MachinePreset {
  std::string_view name;
  MachineConfig values;
};
/// "a100-80g", "h100", "h200": nodes of eight, from the makers' data sheets.
std::span<const MachinePreset> machine_presets();

/// Fills what is 0 from the preset. Throws ConfigError with keys "machine.*" for what is missing.
MachineConfig resolved(MachineConfig config);

/// A split as far as its costs depend on it.
struct MachinePlan {
  const ModelSpec& model;
  BatchConfig batch;
  MeshShape mesh;
  const std::vector<LayerCost>& work;      // of one micro-batch, one a chunk
  std::int64_t stage_gradient_bytes = 0;   // most that a rank adds up over the data ranks
  std::int64_t tied_gradient_bytes = 0;    // of the tied parameter, on a rank
  std::int64_t stage_optimizer_bytes = 0;  // most that a rank's optimizer reads and writes
};

/// What its instructions cost on `machine`, which is resolved, in milliseconds. docs/prediction.md
/// has the formulas.
CostTable costs_on(const MachineConfig& machine, const MachinePlan& plan);

}  // namespace stagecraft
