// Reads a configuration file and refuses everything that is not in the table of keys.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "launch/config/config_file.h"

namespace stagecraft {

/// Reads `file`, then applies each "section.key=value" of `overrides`. Checks single values; rules
/// over several keys are checked later. Throws BadInput for a file that cannot be read, bad syntax,
/// an unknown key, a wrong type, a value out of range, or a missing required key.
ConfigFile read_config(const std::filesystem::path& file,
                       const std::vector<std::string>& overrides);

/// The same from text. `name` is the file name in locations.
ConfigFile parse_config(std::string_view toml, const std::string& name,
                        const std::vector<std::string>& overrides);

}  // namespace stagecraft
