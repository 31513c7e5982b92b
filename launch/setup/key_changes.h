// What differs between the configuration of a run that goes on and that of its earlier part.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "launch/config/settings.h"

namespace stagecraft {

/// By "section.key", as TOML. Of all keys.
using KeyValues = std::map<std::string, std::string>;

KeyValues key_values(const RunSettings& settings);

struct KeyChange {
  std::string key;
  std::string was;
  std::string is;
};

/// The keys that have another value now, in the table's order. A key that `was` does not have, of a
/// later program, had its default. Keys that this program does not know come last.
std::vector<KeyChange> key_changes(const KeyValues& was, const KeyValues& is);

/// Throws ConfigError, with all keys that are fixed and not among `allowed`, and both values of
/// each.
void check_changes(const std::vector<KeyChange>& changes, const std::vector<std::string>& allowed);

/// Those of the changes that can move bits of later steps: "KEY was VALUE and is VALUE", joined.
/// REQUIRES: check_changes() passed.
std::string changes_that_move_bits(const std::vector<KeyChange>& changes);

/// Throws ConfigError, with the nearest key, for a name in `allowed` that is no key.
void check_allowed(const std::vector<std::string>& allowed);

}  // namespace stagecraft
