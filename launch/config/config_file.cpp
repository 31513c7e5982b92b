#include "launch/config/config_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

namespace stagecraft {
namespace {

std::vector<std::string> split(const std::string& keys) {
  std::istringstream stream(keys);
  std::vector<std::string> names;
  for (std::string name; stream >> name;) {
    names.push_back(name);
  }
  return names;
}

struct GivenKey {
  std::string name;
  KeyLocation location;
};

/// The error's keys that the user gave: those of the file before those of --set.
std::vector<GivenKey> given_keys(const ConfigFile& config, const ConfigError& error) {
  std::vector<GivenKey> given;
  for (const std::string& key : split(error.keys())) {
    const auto found = config.locations.find(key);
    if (found != config.locations.end()) {
      given.push_back({key, found->second});
    }
  }
  std::stable_partition(given.begin(), given.end(),
                        [](const GivenKey& key) { return key.location.in_file; });
  return given;
}

/// The error's text with the locations of several keys. REQUIRES: at least one key.
std::string text_with_places(const std::vector<GivenKey>& given, const ConfigError& error) {
  const std::string& first = given.front().name;
  if (given.size() == 1) {
    const bool named = error.text().find(first) != std::string::npos;
    return (named ? "" : first + ": ") + error.text();
  }
  std::string list;
  for (const GivenKey& key : given) {
    list += fmt::format("{}{}: {}", list.empty() ? "" : ", ", key.name, key.location.text);
  }
  return fmt::format("{} ({})", error.text(), list);
}

}  // namespace

BadInput located(const ConfigFile& config, const ConfigError& error) {
  const std::vector<GivenKey> given = given_keys(config, error);
  BadInput result(given.empty()
                      ? fmt::format("{}: {}: {}", config.name, error.keys(), error.text())
                      : given.front().location.text + ": " + text_with_places(given, error));
  return result;
}

}  // namespace stagecraft
