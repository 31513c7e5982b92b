// Commands that take one configuration. Like all commands, each returns the exit status: 0, or 1
// when a run failed or a program is not proven. Throws BadInput for a mistake of the user.
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
  std::string interface;   // network interface between processes; "": loopback
  bool plain = false;      // rewrite no line in place
  bool share_gpu = false;  // processes may share a GPU
  /// A seam for tests: may change the configuration of the run.
  std::function<void(RunConfig&)> adjust = {};
};

int train(const TrainOptions& options);

enum class CheckOutput : std::uint8_t { plan, json, resolved, launch };

/// Prints the plan as text or JSON, or every value with its source, or the input of launch/train
/// (mpirun_arguments.h).
int check(const ConfigOptions& options, CheckOutput output, const HostOptions& hosts);

int config_reference();

/// The width of diagrams: the terminal's, or a default where there is no terminal.
int diagram_columns();

}  // namespace stagecraft
