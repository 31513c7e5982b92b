#include "launch/config/toml_reader.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "kernels/base/file.h"
#include "kernels/base/nearest.h"
#include "launch/config/config_table.h"

namespace stagecraft {
namespace {

std::string position_text(const std::string& name, const toml::source_position& position) {
  return fmt::format("{}:{}:{}", name, position.line, position.column);
}

template <typename... Args>
[[noreturn]] void refuse(const std::string& location, fmt::format_string<Args...> text,
                         Args&&... args) {
  throw BadInput(location + ": " + fmt::format(text, std::forward<Args>(args)...));
}

std::string_view type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a floating-point number";
    case toml::node_type::boolean:
      return "a boolean";
    default:
      return "a date or time";
  }
}

template <typename Entry>
std::optional<ConfigValue> list_of(const toml::node& node) {
  const toml::array* array = node.as_array();
  std::vector<Entry> entries;
  for (const toml::node& entry : *array) {
    const std::optional<Entry> value = entry.value_exact<Entry>();
    if (!value) {
      return std::nullopt;
    }
    entries.push_back(*value);
  }
  return ConfigValue(std::move(entries));
}

template <typename T>
std::optional<ConfigValue> scalar(const toml::node& node) {
  const std::optional<T> value = node.value_exact<T>();
  return value ? std::optional<ConfigValue>(*value) : std::nullopt;
}

std::optional<ConfigValue> real_value(const toml::node& node) {
  const std::optional<std::int64_t> integer = node.value_exact<std::int64_t>();
  return integer ? std::optional<ConfigValue>(static_cast<double>(*integer)) : scalar<double>(node);
}

/// Empty when the node has another type than the key.
std::optional<ConfigValue> value_of(const ConfigKey& key, const toml::node& node) {
  switch (key.type) {
    case KeyType::integer:
      return scalar<std::int64_t>(node);
    case KeyType::real:
      return real_value(node);
    case KeyType::boolean:
      return scalar<bool>(node);
    case KeyType::text:
    case KeyType::choice:
      return scalar<std::string>(node);
    case KeyType::text_list:
      return node.is_array() ? list_of<std::string>(node) : std::nullopt;
    case KeyType::block_list:
      if (node.value_exact<std::string>() == "auto") {
        return ConfigValue(std::vector<std::int64_t>{});
      }
      return node.is_array() && !node.as_array()->empty() ? list_of<std::int64_t>(node)
                                                          : std::nullopt;
  }
  return std::nullopt;
}

/// Stores the value of a key. REQUIRES: `key` is in the table.
void apply(ConfigFile& config, const ConfigKey& key, const toml::node& node,
           const KeyLocation& location) {
  const std::optional<ConfigValue> value = value_of(key, node);
  if (!value) {
    const bool list =
        node.is_array() && (key.type == KeyType::text_list || key.type == KeyType::block_list);
    refuse(location.text, "{} must be {}, not {}", key.name, describe_type(key),
           list ? "a list of another type" : type_name(node));
  }
  try {
    check_value(key, *value);
  } catch (const ConfigError& error) {
    refuse(location.text, "{}", error.text());
  }
  key.set(config.settings, *value);
  config.locations[key.name] = location;
}

[[noreturn]] void refuse_unknown(const std::string& location, const std::string& name) {
  refuse(location, "unknown key {}; the nearest is {}", name, nearest_key(name, key_names()));
}

struct Entry {
  std::string name;  // "section.key"
  const toml::node* node;
  toml::source_position position;
};

void collect_section(const std::string& section, const toml::table& table,
                     std::vector<Entry>& entries) {
  for (const auto& [key, node] : table) {
    entries.push_back({section + "." + std::string(key.str()), &node, key.source().begin});
  }
}

/// Every key of the file, in the file's order.
std::vector<Entry> collect(ConfigFile& config, const toml::table& root) {
  const std::vector<std::string> sections = section_names();
  std::vector<Entry> entries;
  for (const auto& [key, node] : root) {
    const std::string section(key.str());
    const std::string location = position_text(config.name, key.source().begin);
    if (std::find(sections.begin(), sections.end(), section) == sections.end()) {
      node.is_table() ? refuse(location, "unknown table [{}]; the nearest is [{}]", section,
                               nearest(section, sections))
                      : refuse(location, "unknown key {} outside of all tables; the nearest is {}",
                               section, nearest_key(section, key_names()));
    }
    if (!node.is_table()) {
      refuse(location, "{} must be a table, written as [{}], not {}", section, section,
             type_name(node));
    }
    config.sections[section] = location;
    collect_section(section, *node.as_table(), entries);
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.position.line, a.position.column) <
           std::tie(b.position.line, b.position.column);
  });
  return entries;
}

toml::table parse_toml(std::string_view text, const std::string& name) {
  try {
    return toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    refuse(position_text(name, error.source().begin), "{}", error.description());
  }
}

/// Parses the value after "=" on the command line: as TOML if it is valid TOML, or else as a string
/// without quotes.
toml::table parse_override(const std::string& value) {
  try {
    toml::table table = toml::parse("value = " + value);
    if (table.size() == 1) {
      return table;
    }
  } catch (const toml::parse_error&) {
    static_cast<void>(value);  // a string without quotes; the caller checks its type
  }
  return toml::table{{"value", value}};
}

void apply_override(ConfigFile& config, const std::string& override) {
  const std::string location = "--set " + override;
  const std::size_t equals = override.find('=');
  if (equals == std::string::npos) {
    refuse(location, "write --set section.key=value");
  }
  const std::string name = override.substr(0, equals);
  const std::string text = override.substr(equals + 1);
  const ConfigKey* key = find_key(name);
  if (key == nullptr) {
    refuse_unknown(location, name);
  }
  toml::table table = parse_override(text);
  const bool takes_text = key->type == KeyType::text || key->type == KeyType::choice;
  if (takes_text && !table["value"].is_string()) {
    table = toml::table{{"value", text}};
  }
  apply(config, *key, *table.get("value"), {.text = location});
}

std::string without_place(std::string_view what) {
  const std::size_t end = what.find("] ");
  return std::string(end == std::string_view::npos ? what : what.substr(end + 2));
}

/// Throws BadInput for a missing required key, with the location of its table.
void require_keys(const ConfigFile& config);
void require_keys(const ConfigFile& config) {
  for (const ConfigKey& key : config_table()) {
    const bool preset = config.has("model.preset");
    const bool needed = key.need == Need::always || (key.need == Need::without_preset && !preset);
    if (!needed || config.has(key.name)) {
      continue;
    }
    const auto section = config.sections.find(key.section());
    throw BadInput(fmt::format("{}: {} is missing; add {} to [{}]: {}{}",
                               section == config.sections.end() ? config.name : section->second,
                               key.name, key.leaf(), key.section(), describe_type(key),
                               key.need == Need::always ? "" : ", or give model.preset"));
  }
}

}  // namespace

ConfigFile parse_config(std::string_view toml, const std::string& name,
                        const std::vector<std::string>& overrides) {
  ConfigFile config;
  config.name = name;
  const toml::table root = parse_toml(toml, name);
  for (const Entry& entry : collect(config, root)) {
    const std::string location = position_text(name, entry.position);
    const ConfigKey* key = find_key(entry.name);
    if (key == nullptr) {
      refuse_unknown(location, entry.name);
    }
    apply(config, *key, *entry.node, {.text = location, .in_file = true});
  }
  for (const std::string& override : overrides) {
    apply_override(config, override);
  }
  require_keys(config);
  return config;
}

ConfigFile read_config(const std::filesystem::path& file,
                       const std::vector<std::string>& overrides) {
  std::string text;
  try {
    text = read_file(file);
  } catch (const Error& error) {
    refuse(file.string(), "cannot read the configuration: {}", without_place(error.what()));
  }
  return parse_config(text, file.string(), overrides);
}

}  // namespace stagecraft
