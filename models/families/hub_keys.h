// What a family writes in the config.json beside its weights, and what it asks of another's.
#pragma once

#include <string>
#include <vector>

namespace stagecraft {

/// One key of config.json. Values are JSON texts.
struct HubKey {
  std::string name;
  /// Those that describe the model; the first is written.
  std::vector<std::string> values;
  /// The hub's value where the key is absent. "": the key is not compared, as a file may have any.
  std::string absent = {};
  bool written = true;
};

}  // namespace stagecraft
