#include "stages/machine.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <vector>

namespace stagecraft {
namespace {

// Memory is what a program can use of it. 0.7 of the peak is what large products of GPT shapes
// reach (docs/prediction.md). Between nodes: one link of 200 or 400 Gbit/s a device.
const std::array kPresets{
    MachinePreset{.name = "a100-80g",
                  .values = {.memory_gib = 79,
                             .efficiency = 0.7,
                             .memory_gb_s = 2039,
                             .node_devices = 8,
                             .within_gb_s = 300,
                             .between_gb_s = 25},
                  .float32_tflops = 19.5,
                  .tf32_tflops = 156,
                  .bf16_tflops = 312},
    MachinePreset{.name = "h100",
                  .values = {.memory_gib = 78,
                             .efficiency = 0.7,
                             .memory_gb_s = 3350,
                             .node_devices = 8,
                             .within_gb_s = 450,
                             .between_gb_s = 50},
                  .float32_tflops = 67,
                  .tf32_tflops = 494.7,
                  .bf16_tflops = 989.4},
    MachinePreset{.name = "h200",
                  .values = {.memory_gib = 139,
                             .efficiency = 0.7,
                             .memory_gb_s = 4800,
                             .node_devices = 8,
                             .within_gb_s = 450,
                             .between_gb_s = 50},
                  .float32_tflops = 67,
                  .tf32_tflops = 494.7,
                  .bf16_tflops = 989.4},
};

struct Value {
  std::string_view key;
  double MachineConfig::*field;
};
constexpr std::array kValues{Value{"machine.memory_gib", &MachineConfig::memory_gib},
                             Value{"machine.tflops", &MachineConfig::tflops},
                             Value{"machine.efficiency", &MachineConfig::efficiency},
                             Value{"machine.memory_gb_s", &MachineConfig::memory_gb_s},
                             Value{"machine.within_gb_s", &MachineConfig::within_gb_s},
                             Value{"machine.between_gb_s", &MachineConfig::between_gb_s}};

/// With the peak of `precision`.
MachineConfig preset_named(const std::string& name, Precision precision) {
  std::vector<std::string_view> names;
  for (const MachinePreset& preset : kPresets) {
    if (preset.name == name) {
      MachineConfig values = preset.values;
      values.tflops = precision == Precision::bf16   ? preset.bf16_tflops
                      : precision == Precision::tf32 ? preset.tf32_tflops
                                                     : preset.float32_tflops;
      return values;
    }
    names.push_back(preset.name);
  }
  throw ConfigError("machine.preset", fmt::format("there is no machine \"{}\"; the machines are {}",
                                                  name, fmt::join(names, ", ")));
}

[[noreturn]] void refuse_missing(std::string_view key) {
  throw ConfigError(std::string(key),
                    fmt::format("{} is missing; give it, or a machine that has it, as "
                                "machine.preset = \"a100-80g\"",
                                key));
}

/// What of the mesh lies how far apart.
class Links {
 public:
  Links(const MachineConfig& machine, const MeshShape& mesh) : machine_(machine), mesh_(mesh) {}

  /// Milliseconds for a sum over neighbours that lie `stride` ranks apart.
  double sum_ms(std::int64_t bytes, int ranks, int stride) const {
    const double sent = 2.0 * (ranks - 1) / ranks * static_cast<double>(bytes);
    return ranks > 1 ? ms(sent, ranks * stride) : 0;
  }
  double tensor_ms(std::int64_t bytes) const { return sum_ms(bytes, mesh_.tensor, 1); }
  double data_ms(std::int64_t bytes) const { return sum_ms(bytes, mesh_.data, mesh_.tensor); }
  /// Between the first and the last stage.
  double tied_ms(std::int64_t bytes) const { return ms(static_cast<double>(bytes), mesh_.ranks()); }
  double transfer_ms(std::int64_t bytes) const {
    return ms(static_cast<double>(bytes), 2 * mesh_.tensor * mesh_.data);
  }

 private:
  /// Bytes from one device to another, all within `span` neighbouring ranks.
  double ms(double bytes, int span) const {
    const bool within = span <= machine_.node_devices;
    return bytes / ((within ? machine_.within_gb_s : machine_.between_gb_s) * 1e6);
  }

  const MachineConfig& machine_;
  const MeshShape& mesh_;
};

}  // namespace

std::span<const MachinePreset> machine_presets() { return kPresets; }

MachineConfig resolved(MachineConfig config, Precision precision) {
  const MachineConfig preset =
      config.preset.empty() ? MachineConfig{} : preset_named(config.preset, precision);
  for (const Value& value : kValues) {
    double& field = config.*value.field;
    field = field > 0 ? field : preset.*value.field;
    if (field <= 0) {
      refuse_missing(value.key);
    }
  }
  constexpr double kMostGib = 1 << 30;  // its bytes are a 64-bit number
  config.memory_gib = std::min(config.memory_gib, kMostGib);
  config.node_devices = config.node_devices > 0 ? config.node_devices : preset.node_devices;
  if (config.node_devices <= 0) {
    refuse_missing("machine.node_devices");
  }
  return config;
}

CostTable costs_on(const MachineConfig& machine, const MachinePlan& plan) {
  const Links links(machine, plan.mesh);
  const double flops_per_ms = machine.tflops * machine.efficiency * 1e9;
  const double bytes_per_ms = machine.memory_gb_s * 1e6;
  CostTable costs;
  costs.chunks.clear();
  for (const LayerCost& work : plan.work) {
    // Between products a layer writes what it saves, and reads it again.
    const double passes = 2.0 * static_cast<double>(work.stash_bytes) / bytes_per_ms;
    costs.chunks.push_back({.forward = work.forward_flops / flops_per_ms + passes +
                                       links.tensor_ms(work.forward_sum_bytes),
                            .backward_input = work.backward_input_flops / flops_per_ms + passes +
                                              links.tensor_ms(work.backward_sum_bytes),
                            .backward_weight = work.backward_weight_flops / flops_per_ms});
  }
  const auto chunks_a_stage = static_cast<double>(plan.work.size()) / plan.mesh.pipeline;
  costs.transfer = links.transfer_ms(transfer_bytes(plan.model, plan.batch));
  costs.reduce_tied = links.tied_ms(plan.tied_gradient_bytes);
  costs.reduce_data = links.data_ms(plan.stage_gradient_bytes) / chunks_a_stage;
  costs.optimizer = static_cast<double>(plan.stage_optimizer_bytes) / bytes_per_ms;
  return costs;
}

}  // namespace stagecraft
