// `stagecraft schedule`: proves, predicts and draws a schedule, and runs nothing.
#pragma once

#include <filesystem>
#include <string>

#include "launch/commands/train_command.h"

namespace stagecraft {

/// Where the program comes from: a configuration, a schedule by name, or a program as a file; the
/// first that is given.
struct ScheduleOptions {
  ConfigOptions config;
  std::filesystem::path program;  // docs/file_formats/program.md
  std::string name = "1f1b";
  int stages = 4;
  int microbatches = 8;
  int chunks = 1;             // a stage
  std::string costs;          // cost_option.h
  std::string bytes;          // memory_option.h; without a configuration
  std::filesystem::path svg;  // files to write; "": none
  std::filesystem::path trace;
  std::filesystem::path text;
  std::filesystem::path csv;        // compute alone
  std::filesystem::path csv_comms;  // with transfers
  bool json = false;
};

/// Prints the picture, the bubble and what each stage holds, or the same as JSON. Returns 0 for a
/// program that is proven, else 1, with its counter-example.
int schedule(const ScheduleOptions& options);

}  // namespace stagecraft
