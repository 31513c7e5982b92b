// The machine that a plan is for, as far as time and memory depend on it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/precision.h"
#include "models/families/model_spec.h"
#include "models/layers/layer.h"
#include "stages/plan/machine_config.h"
#include "stages/plan/plan_config.h"
#include "stages/predict/simulate.h"
#include "tensor_parallel/sharding/mesh.h"

namespace stagecraft {

struct MachinePreset {
  std::string_view name;
  MachineConfig values;  // all but tflops
  double float32_tflops = 0;
  double tf32_tflops = 0;  // of dense matrices, as bf16
  double bf16_tflops = 0;
};
/// "a100-80g", "h100", "h200": nodes of eight, from the makers' data sheets.
std::span<const MachinePreset> machine_presets();

/// Fills what is 0 from the preset, the peak from that of `precision`. Throws ConfigError with keys
/// "machine.*" for what is missing.
MachineConfig resolved(MachineConfig config, Precision precision = Precision::float32);

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
