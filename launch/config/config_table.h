// The table of all keys. Parsing, `check --resolved`, docs/configuration.md and the tests of bad
// input are generated from it: a new key is one entry here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "launch/config/config_key.h"

namespace stagecraft {

/// All keys, in the order in which they are printed.
const std::vector<ConfigKey>& config_table();

/// Null for a name that is not in the table.
const ConfigKey* find_key(std::string_view name);

std::vector<std::string> key_names();
/// "run", "model", ...: in the table's order.
std::vector<std::string> section_names();

}  // namespace stagecraft
