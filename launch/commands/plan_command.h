// `stagecraft plan CONFIG --devices N`: the splits with the shortest step on a machine.
#pragma once

#include <cstdint>
#include <string>

#include "launch/commands/config_options.h"

namespace stagecraft {

struct PlanOptions {
  ConfigOptions config;
  int devices = 1;
  std::string memory;  // of a device, "80GiB"; "": machine.memory_gib
  int toml = 1;        // number of the split whose configuration lines are printed
  bool json = false;   // print the splits as JSON instead
};

/// Converts "80GiB", "64GB", "512MiB" to bytes. Throws BadInput for another text.
std::int64_t parse_memory(const std::string& text);

/// Prints the best splits, the number of other splits by reason of rejection, and the configuration
/// lines of one split; or the splits as JSON. Returns 0, or 1 when no split fits.
int plan(const PlanOptions& options);

}  // namespace stagecraft
