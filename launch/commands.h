// The commands of the executable, once their words are parsed. Each returns the exit status: 0, or
// 1 when a run failed. A user's mistake is thrown as BadInput.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "actors/run_training.h"
#include "launch/launch_words.h"

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
/// (launch_words.h).
int check(const ConfigOptions& options, CheckOutput output, const HostWords& where);

/// Prints the progress board of a run, live or dead.
int run_status(const std::filesystem::path& run);

/// Waits for the last of a run's processes, a few seconds at most, and prints the board of one that
/// did not end well. 1 when there is none: no rank had begun.
int last_words(const std::filesystem::path& run);

int config_reference();

/// The terminal's width for pictures, or what a page holds.
int picture_columns();

}  // namespace stagecraft
