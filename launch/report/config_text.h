// Texts generated from the table of keys: a resolved configuration, and the reference page.
#pragma once

#include <string>

#include "launch/config/settings.h"
#include "launch/config/sources.h"

namespace stagecraft {

/// TOML that reads back to the same settings. A comment after each value gives its source. Keys
/// without a value (such as no preset) are left out; so is data.validation_fraction when
/// data.validation is given.
std::string resolved_toml(const RunSettings& settings, const Sources& sources);

/// The whole text of docs/configuration.md.
std::string configuration_page();

}  // namespace stagecraft
