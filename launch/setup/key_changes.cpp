#include "launch/setup/key_changes.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/base/error.h"
#include "kernels/base/nearest.h"
#include "launch/config/config_table.h"

namespace stagecraft {
namespace {

constexpr const char* kUnknown = "unknown to this program";

OnResume on_resume(const std::string& name) {
  const ConfigKey* const key = find_key(name);
  return key == nullptr ? OnResume::fixed : key->on_resume;
}

std::string text_of(const KeyChange& change) {
  return fmt::format("{} was {} and is {}", change.key, change.was, change.is);
}

/// "train.seed was 1 and is 2, train.clip ..." of the changes that are selected.
template <typename Select>
std::string joined(const std::vector<KeyChange>& changes, const Select& select) {
  std::string text;
  for (const KeyChange& change : changes) {
    if (select(change)) {
      text += (text.empty() ? "" : ", ") + text_of(change);
    }
  }
  return text;
}

}  // namespace

KeyValues key_values(const RunSettings& settings) {
  KeyValues values;
  for (const ConfigKey& key : config_table()) {
    values[key.name] = to_toml(key, key.get(settings));
  }
  return values;
}

std::vector<KeyChange> key_changes(const KeyValues& was, const KeyValues& is) {
  const KeyValues defaults = key_values(RunSettings{});
  std::vector<KeyChange> changes;
  for (const ConfigKey& key : config_table()) {
    const auto earlier = was.find(key.name);
    const std::string& before = earlier == was.end() ? defaults.at(key.name) : earlier->second;
    if (before != is.at(key.name)) {
      changes.push_back({key.name, before, is.at(key.name)});
    }
  }
  for (const auto& [name, value] : was) {
    if (find_key(name) == nullptr) {
      changes.push_back({name, value, kUnknown});
    }
  }
  return changes;
}

void check_changes(const std::vector<KeyChange>& changes, const std::vector<std::string>& allowed) {
  std::string keys;
  std::string allow;
  const std::string text = joined(changes, [&](const KeyChange& change) {
    const bool refused = on_resume(change.key) == OnResume::fixed &&
                         std::find(allowed.begin(), allowed.end(), change.key) == allowed.end();
    if (refused) {
      keys += (keys.empty() ? "" : " ") + change.key;
      allow += find_key(change.key) == nullptr ? "" : " --allow " + change.key;
    }
    return refused;
  });
  if (!keys.empty()) {
    throw ConfigError(
        keys,
        fmt::format(
            "a run that goes on keeps its model, batch, optimizer, seed and data: {}; {}", text,
            allow.empty() ? "use the program that began the run"
                          : "restore the earlier value, or accept other bits with" + allow));
  }
}

std::string changes_that_move_bits(const std::vector<KeyChange>& changes) {
  return joined(changes, [](const KeyChange& change) {
    return on_resume(change.key) != OnResume::may_change;
  });
}

void check_allowed(const std::vector<std::string>& allowed) {
  for (const std::string& name : allowed) {
    if (find_key(name) == nullptr) {
      throw ConfigError(
          fmt::format("--allow {}", name),
          fmt::format("unknown key; the nearest is {}", nearest_key(name, key_names())));
    }
  }
}

}  // namespace stagecraft
