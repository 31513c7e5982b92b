// The [machine] table: the machine that `stagecraft plan` plans for.
#pragma once

#include <cstdint>
#include <string>

namespace stagecraft {

/// A value of 0 is taken from the preset.
struct MachineConfig {
  std::string preset = {};  // "" or a name of machine_presets()
  double memory_gib = 0;    // memory of one device that a program can use
  double tflops = 0;        // peak of one device for matrix products
  double efficiency = 0;    // the fraction of the peak that products of a layer's size reach
  double memory_gb_s = 0;   // memory bandwidth of one device
  int node_devices = 0;     // devices per node
  double within_gb_s = 0;   // bandwidth between two devices of one node
  double between_gb_s = 0;  // bandwidth between devices of two nodes
  double within_us = 0;     // time of the smallest message within a node; may stay 0
  double between_us = 0;    // the same between nodes
  std::int64_t memory_bytes() const {
    return static_cast<std::int64_t>(memory_gib * 1024 * 1024 * 1024);
  }
};

}  // namespace stagecraft
