#include "stages/plan/machine.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "stages/plan/plan.h"

namespace stagecraft {
namespace {

// Memory is what a program can use. Efficiency: large products of GPT shapes reach 0.7 of the peak
// (docs/prediction.md). Between nodes: one link of 200 or 400 Gbit/s per device. The time of a
// small message within a node is half of that of an all-reduce over two of its GPUs
// (docs/performance.md); between nodes it is what NCCL's own model assumes for a hop through the
// network (src/graph/tuning.cc, protocol Simple).
const std::array kPresets{
    MachinePreset{.name = "a100-80g",
                  .values = {.memory_gib = 79,
                             .efficiency = 0.7,
                             .memory_gb_s = 2039,
                             .node_devices = 8,
                             .within_gb_s = 300,
                             .between_gb_s = 25,
                             .within_us = 6.5,
                             .between_us = 14},
                  .float32_tflops = 19.5,
                  .tf32_tflops = 156,
                  .bf16_tflops = 312},
    MachinePreset{.name = "h100",
                  .values = {.memory_gib = 78,
                             .efficiency = 0.7,
                             .memory_gb_s = 3350,
                             .node_devices = 8,
                             .within_gb_s = 450,
                             .between_gb_s = 50,
                             .within_us = 6.5,
                             .between_us = 14},
                  .float32_tflops = 67,
                  .tf32_tflops = 494.7,
                  .bf16_tflops = 989.4},
    MachinePreset{.name = "h200",
                  .values = {.memory_gib = 139,
                             .efficiency = 0.7,
                             .memory_gb_s = 4800,
                             .node_devices = 8,
                             .within_gb_s = 450,
                             .between_gb_s = 50,
                             .within_us = 6.5,
                             .between_us = 14},
                  .float32_tflops = 67,
                  .tf32_tflops = 494.7,
                  .bf16_tflops = 989.4},
};

struct Value {
  std::string_view key;
  double MachineConfig::*field;
  bool needed = true;
};
constexpr std::array kValues{Value{"machine.memory_gib", &MachineConfig::memory_gib},
                             Value{"machine.tflops", &MachineConfig::tflops},
                             Value{"machine.efficiency", &MachineConfig::efficiency},
                             Value{"machine.memory_gb_s", &MachineConfig::memory_gb_s},
                             Value{"machine.within_gb_s", &MachineConfig::within_gb_s},
                             Value{"machine.between_gb_s", &MachineConfig::between_gb_s},
                             Value{"machine.within_us", &MachineConfig::within_us, false},
                             Value{"machine.between_us", &MachineConfig::between_us, false}};

/// The preset's values, with the peak of `precision`.
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
                    fmt::format("{} is missing; set it, or a preset that has it, as in "
                                "machine.preset = \"a100-80g\"",
                                key));
}

/// Communication times along the axes of the mesh, by whether the ranks are within one node.
class Links {
 public:
  Links(const MachineConfig& machine, const MeshShape& mesh) : machine_(machine), mesh_(mesh) {}

  /// Milliseconds for `bytes` in `sums` all-reduces.
  double tensor_ms(double bytes, double sums) const { return sum_ms(bytes, sums, mesh_.tensor, 1); }
  double data_ms(double bytes) const { return sum_ms(bytes, 1, mesh_.data, mesh_.tensor); }
  /// Between the first and the last stage.
  double tied_ms(double bytes) const { return bytes > 0 ? ms(bytes, 2, mesh_.ranks()) : 0; }
  double transfer_ms(double bytes) const { return ms(bytes, 1, 2 * mesh_.tensor * mesh_.data); }

 private:
  /// A sum over `ranks` that are `stride` apart, along a tree there and back.
  double sum_ms(double bytes, double sums, int ranks, int stride) const {
    const double sent = 2.0 * (ranks - 1) / ranks * bytes;
    const double messages = sums * 2 * std::ceil(std::log2(ranks));
    return ranks > 1 ? ms(sent, messages, ranks * stride) : 0;
  }

  /// `bytes` from one device to another and `messages` one after the other, all within a span of
  /// `span` consecutive ranks.
  double ms(double bytes, double messages, int span) const {
    const bool within = span <= machine_.node_devices;
    return bytes / ((within ? machine_.within_gb_s : machine_.between_gb_s) * 1e6) +
           messages * (within ? machine_.within_us : machine_.between_us) * 1e-3;
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
    if (field <= 0 && value.needed) {
      refuse_missing(value.key);
    }
  }
  constexpr double kMaxGib = 1 << 30;  // its bytes are a 64-bit number
  config.memory_gib = std::min(config.memory_gib, kMaxGib);
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
  const auto activation = static_cast<double>(transfer_bytes(plan.model, plan.batch));
  // Nearly every sum of a layer has the size of an activation.
  const auto tensor_ms = [&](std::int64_t bytes) {
    const auto all = static_cast<double>(bytes);
    return links.tensor_ms(all, std::ceil(all / activation));
  };
  CostTable costs;
  costs.chunks.clear();
  for (const LayerCost& work : plan.work) {
    // Between products a layer writes what it saves, and later reads it.
    const double passes = 2.0 * static_cast<double>(work.stash_bytes) / bytes_per_ms;
    costs.chunks.push_back(
        {.forward = work.forward_flops / flops_per_ms + passes + tensor_ms(work.forward_sum_bytes),
         .backward_input =
             work.backward_input_flops / flops_per_ms + passes + tensor_ms(work.backward_sum_bytes),
         .backward_weight = work.backward_weight_flops / flops_per_ms});
  }
  const auto chunks_a_stage = static_cast<double>(plan.work.size()) / plan.mesh.pipeline;
  costs.transfer = links.transfer_ms(activation);
  const auto tied_bytes = static_cast<double>(plan.tied_gradient_bytes);
  costs.reduce_tied = plan.tied_apart ? links.tied_ms(tied_bytes) : 0;
  costs.reduce_tied_data = links.data_ms(tied_bytes);
  costs.reductions_overlap = true;
  costs.reduce_data =
      links.data_ms(static_cast<double>(plan.stage_gradient_bytes) / chunks_a_stage);
  costs.optimizer = static_cast<double>(plan.stage_optimizer_bytes) / bytes_per_ms;
  return costs;
}

}  // namespace stagecraft
