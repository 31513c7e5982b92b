// Presets of machines, and what a plan's instructions cost on a machine.
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
/// "a100-80g", "h100" and "h200": nodes of eight devices, from the vendors' data sheets.
std::span<const MachinePreset> machine_presets();

/// Fills values that are 0 from the preset; the peak is that of `precision`. Throws ConfigError
/// with a key "machine.*" for a missing value.
MachineConfig resolved(MachineConfig config, Precision precision = Precision::float32);

/// What the costs of a split depend on.
struct MachinePlan {
  const ModelSpec& model;
  BatchConfig batch;
  MeshShape mesh;
  const std::vector<LayerCost>& work;      // of one micro-batch, per chunk
  std::int64_t stage_gradient_bytes = 0;   // maximum over ranks, without the tied parameter
  std::int64_t tied_gradient_bytes = 0;    // of the tied parameter, on one rank
  bool tied_apart = false;                 // its uses are on two stages
  std::int64_t stage_optimizer_bytes = 0;  // maximum that a rank's optimizer reads and writes
};

/// The costs of the plan's instructions on `machine`, in milliseconds. `machine` must be resolved.
/// docs/prediction.md has the formulas.
CostTable costs_on(const MachineConfig& machine, const MachinePlan& plan);

}  // namespace stagecraft
