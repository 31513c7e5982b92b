// A parsed configuration file with the location of every key, so that a later error message can
// begin with a location.
#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

#include "kernels/base/error.h"
#include "launch/config/settings.h"

namespace stagecraft {

/// A mistake of the user, with the complete message. When the location is known, the message begins
/// with "FILE:LINE:COLUMN: ".
class BadInput : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Location of a given key.
struct KeyLocation {
  std::string text;      // "FILE:LINE:COLUMN", or "--set section.key=value"
  bool in_file = false;  // false: --set
};

/// A parsed file: settings, with defaults for keys that are not given, and locations.
struct ConfigFile {
  std::string name;  // as the user wrote it
  RunSettings settings;
  std::map<std::string, KeyLocation, std::less<>> locations;  // by "section.key"
  std::map<std::string, std::string, std::less<>> sections;   // by name: "FILE:LINE:COLUMN"

  bool has(std::string_view key) const { return locations.find(key) != locations.end(); }
};

/// Adds locations to an error from an inner room. The message begins with the location of the first
/// of the error's keys that the file contains, or else that --set gave, or else with the file's
/// name. It lists the locations of the other keys.
BadInput located(const ConfigFile& config, const ConfigError& error);

}  // namespace stagecraft
