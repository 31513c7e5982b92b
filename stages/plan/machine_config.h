// The [machine] table: what `stagecraft plan` plans for.
#pragma once

#include <cstdint>
#include <string>

namespace stagecraft {

/// 0: the preset's.
struct MachineConfig {
  std::string preset = {};  // "" or a name of machine_presets()
  double memory_gib = 0;    // of one device, that a program can use
  double tflops = 0;        // of one device's matrix products, at its peak
  double efficiency = 0;    // the share of it that products of a layer's size reach
  double memory_gb_s = 0;   // of one device
  int node_devices = 0;     // devices of one node
  double within_gb_s = 0;   // from one device to another of its node
  double between_gb_s = 0;  // to one of another node
  double within_us = 0;     // what the smallest message takes within a node; may stay 0
  double between_us = 0;    // and between nodes
  std::int64_t memory_bytes() const {
    return static_cast<std::int64_t>(memory_gib * 1024 * 1024 * 1024);
  }
};

}  // namespace stagecraft
