// `stagecraft plan CONFIG --devices N`: the splits whose step is shortest on a machine.
#pragma once

#include <cstdint>
#include <string>

#include "launch/commands/train_command.h"

namespace stagecraft {

struct PlanOptions {
  ConfigOptions config;
  int devices = 1;
  std::string memory;  // of a device, "80GiB"; "": the machine's
  int toml = 1;        // print the lines of this one of the splits
  bool json = false;   // print all of it for other programs instead
};

/// "80GiB", "64GB", "512MiB" in bytes; throws BadInput for another text.
std::int64_t parse_memory(const std::string& text);

/// Prints the best splits, how many others there were and why they are not among them, and the TOML
/// lines of one; or the same as JSON. Returns 0, or 1 when none fits.
int plan(const PlanOptions& options);

}  // namespace stagecraft
