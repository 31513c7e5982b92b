// `stagecraft schedule`: verifies, predicts and draws a schedule without running it.
#pragma once

#include <filesystem>
#include <string>

#include "launch/commands/config_options.h"

namespace stagecraft {

/// The program comes from a configuration, or else from a file with a program, or else from a
/// schedule by name.
struct ScheduleOptions {
  ConfigOptions config;
  std::filesystem::path program;  // docs/file_formats/program.md
  std::string name = "1f1b";
  int stages = 4;
  int microbatches = 8;
  int chunks = 1;             // per stage
  std::string costs;          // cost_option.h
  std::string bytes;          // memory_option.h; without a configuration
  std::filesystem::path svg;  // files to write; "": none
  std::filesystem::path trace;
  std::filesystem::path text;
  std::filesystem::path csv;        // compute instructions only
  std::filesystem::path csv_comms;  // with transfers
  bool json = false;
};

/// Prints the diagram, the bubble and the peak memory of each stage, or the same as JSON. Returns 0
/// for a proven program; otherwise prints the counter-example and returns 1.
int schedule(const ScheduleOptions& options);

}  // namespace stagecraft
