// What the table of keys says in text: a resolved configuration, and the reference page.
#pragma once

#include <string>

#include "launch/config/settings.h"
#include "launch/config/sources.h"

namespace stagecraft {

/// TOML that reads back to the same settings, each value with its source in a comment. Keys without
/// a value (no preset) are left out, and so is a fraction that a validation text replaces.
std::string resolved_toml(const RunSettings& settings, const Sources& sources);

/// docs/configuration.md, whole.
std::string configuration_page();

}  // namespace stagecraft
