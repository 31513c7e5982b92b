// Commands about one configuration, once their words are parsed. As all commands, each returns the
// exit status: 0, or 1 when a run failed or a program is not proven. A user's mistake is thrown as
// BadInput.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "actors/protocol/run_config.h"
#include "launch/setup/mpirun_arguments.h"

namespace stagecraft {

struct ConfigOptions {
  std::filesystem::path file;
  std::vector<std::string> overrides;  // "section.key=value"
};

struct TrainOptions {
  ConfigOptions config;
  std::string interface;   // of the network between processes; "": loopback
  bool plain = false;      // rewrite no line in place
  bool share_gpu = false;  // processes may share a GPU
  /// For tests: may change what the run is made with.
  std::function<void(RunConfig&)> adjust = {};
};

int train(const TrainOptions& options);

enum class CheckOutput : std::uint8_t { plan, json, resolved, launch };

/// Prints the plan, as text or JSON, every value with its source, or what launch/train needs
/// (mpirun_arguments.h).
int check(const ConfigOptions& options, CheckOutput output, const HostOptions& hosts);

int config_reference();

/// The terminal's width for pictures, or what a page holds.
int diagram_columns();

}  // namespace stagecraft
