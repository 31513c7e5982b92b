// The commands of the executable, once their words are parsed. Each returns the exit status: 0, or
// 1 when a run failed. A user's mistake is thrown as BadInput.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace stagecraft {

struct ConfigOptions {
  std::filesystem::path file;
  std::vector<std::string> overrides;  // "section.key=value"
};

int train(const ConfigOptions& options);

/// Prints the plan, or, with `resolved`, every value with its source.
int check(const ConfigOptions& options, bool resolved);

int config_reference();

}  // namespace stagecraft
