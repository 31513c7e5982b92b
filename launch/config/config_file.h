// A configuration file once it is read, with the place of every key, so that any later message can
// begin with one.
#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

#include "kernels/base/error.h"
#include "launch/config/settings.h"

namespace stagecraft {

/// A user's mistake with its whole message; where there is a place the message begins
/// "FILE:LINE:COLUMN: ".
class BadInput : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Where a key was given.
struct KeyLocation {
  std::string text;      // "FILE:LINE:COLUMN", or "--set section.key=value"
  bool in_file = false;  // false: --set
};

/// A file, read: the settings, with defaults where it says nothing, and the places.
struct ConfigFile {
  std::string name;  // as the user wrote it
  RunSettings settings;
  std::map<std::string, KeyLocation, std::less<>> locations;  // by "section.key"
  std::map<std::string, std::string, std::less<>> sections;   // by name: "FILE:LINE:COLUMN"

  bool has(std::string_view key) const { return locations.find(key) != locations.end(); }
};

/// Gives an error from below its places: begins with that of the first of its keys that the file
/// contains (else that was given by --set, else the file's name), and names those of the others.
BadInput located(const ConfigFile& config, const ConfigError& error);

}  // namespace stagecraft
