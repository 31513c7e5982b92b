// One configuration key: its type, its range, and the field that it fills.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "launch/config/settings.h"

namespace stagecraft {

/// A value as written in a file.
using ConfigValue = std::variant<std::int64_t, double, bool, std::string, std::vector<std::int64_t>,
                                 std::vector<std::string>>;

enum class KeyType : std::uint8_t {
  integer,
  real,        // an integer is accepted too
  boolean,     // true or false
  text,        // any string in quotes
  choice,      // one of ConfigKey::choices
  text_list,   // ["a", "b"]
  block_list,  // "auto" (an empty list) or [1, 2, ...]
};

/// Bounds of a number, and of each number in a list. An open bound is excluded.
struct Range {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool min_open = false;
  bool max_open = false;
};

enum class Need : std::uint8_t {
  optional,
  always,
  without_preset,  // required unless model.preset is given
};

/// What another value means for a run that goes on from a checkpoint.
enum class OnResume : std::uint8_t {
  fixed,       // refused, unless the user allows the key by name
  may_change,  // no bit of the model depends on it
  moves_bits,  // may change; bits of later steps may then differ
};

/// A value of a choice key. One that is documented but not built yet is refused with that reason.
struct Choice {
  std::string name;
  bool built = true;
  std::string argument = {};  // name of the text after the word, such as "PATH" after "file:"
};

struct ConfigKey {
  std::string name;  // "section.key"
  KeyType type = KeyType::integer;
  OnResume on_resume = OnResume::fixed;
  std::string help;  // one sentence without the full stop
  void (*set)(RunSettings&, const ConfigValue&) = nullptr;
  ConfigValue (*get)(const RunSettings&) = nullptr;
  Range range;
  std::vector<Choice> choices;
  Need need = Need::optional;
  std::string computed;  // how the default is computed, where it is not a constant
  std::size_t min_entries = 0;

  std::string section() const { return name.substr(0, name.find('.')); }
  std::string leaf() const { return name.substr(name.find('.') + 1); }
};

using Keys = std::vector<ConfigKey>;

/// Throws ConfigError with the key's name for a value that is out of range, not finite, or not
/// among the choices. REQUIRES: the value has the key's type.
void check_value(const ConfigKey& key, const ConfigValue& value);

/// The key's allowed values in words, for messages: "an integer from 1 to 64", "\"a\" or \"b\"".
std::string describe_type(const ConfigKey& key);

/// The value as TOML, which reads back to the same value. An empty block list is "auto".
std::string to_toml(const ConfigKey& key, const ConfigValue& value);

}  // namespace stagecraft
