// Reads a configuration file strictly.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "launch/config/config_file.h"

namespace stagecraft {

/// Reads `file`, then each "section.key=value" of `overrides`. Values are checked one by one, rules
/// over several keys are not. Throws BadInput for a file that cannot be read, bad syntax, an
/// unknown key, a wrong type, a value out of range, or a required key that is missing.
ConfigFile read_config(const std::filesystem::path& file,
                       const std::vector<std::string>& overrides);

/// The same from text; `name` stands for the file in places.
ConfigFile parse_config(std::string_view toml, const std::string& name,
                        const std::vector<std::string>& overrides);

}  // namespace stagecraft
