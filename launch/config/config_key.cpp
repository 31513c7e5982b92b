#include "launch/config/config_key.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kernels/base/error.h"
#include "kernels/base/nearest.h"

namespace stagecraft {
namespace {

bool inside(const Range& range, double value) {
  const bool above = range.min_open ? value > range.min : value >= range.min;
  const bool below = range.max_open ? value < range.max : value <= range.max;
  return above && below;
}

std::string describe_range(const Range& range) {
  const bool below = std::isfinite(range.max);
  if (!std::isfinite(range.min)) {
    return "";
  }
  const char* least = range.min_open ? "greater than" : below ? "from" : "of at least";
  const char* most = range.max_open ? "to less than" : "to";
  return below ? fmt::format(" {} {} {} {}", least, range.min, most, range.max)
               : fmt::format(" {} {}", least, range.min);
}

std::string describe_choices(const std::vector<Choice>& choices) {
  std::vector<std::string> names;
  for (const Choice& choice : choices) {
    if (choice.built) {
      names.push_back(fmt::format("\"{}{}\"", choice.name, choice.argument));
    }
  }
  return fmt::format("{}", fmt::join(names, " or "));
}

template <typename Number>
void check_number(const ConfigKey& key, Number value) {
  const auto real = static_cast<double>(value);
  if (!std::isfinite(real) || !inside(key.range, real)) {
    throw ConfigError(key.name,
                      fmt::format("{} must be {}, not {}", key.name, describe_type(key), value));
  }
}

void check_text(const ConfigKey& key, const std::string& value) {
  if (value.find('\0') != std::string::npos) {
    throw ConfigError(key.name, fmt::format("{} contains a zero byte; remove it", key.name));
  }
}

bool is_choice(const Choice& choice, const std::string& value) {
  return choice.argument.empty()
             ? value == choice.name
             : value.starts_with(choice.name) && value.size() > choice.name.size();
}

void check_choice(const ConfigKey& key, const std::string& value) {
  check_text(key, value);
  const auto found = std::find_if(key.choices.begin(), key.choices.end(),
                                  [&](const Choice& choice) { return is_choice(choice, value); });
  if (found == key.choices.end()) {
    std::vector<std::string> names;
    for (const Choice& choice : key.choices) {
      names.push_back(choice.name + choice.argument);
    }
    throw ConfigError(key.name,
                      fmt::format("{} must be {}, not \"{}\"; the nearest is \"{}\"", key.name,
                                  describe_choices(key.choices), value, nearest(value, names)));
  }
  if (!found->built) {
    throw ConfigError(key.name, fmt::format("{} = \"{}\" is not built yet; use {}", key.name, value,
                                            describe_choices(key.choices)));
  }
}

/// A TOML basic string, with escapes.
std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      result += fmt::format("\\u{:04X}", static_cast<int>(c));
    } else {
      result += c;
    }
  }
  return result + '"';
}

/// The shortest text that reads back to the same bits and is not an integer.
std::string real_text(double value) {
  std::string text = fmt::format("{}", value);
  return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
}

}  // namespace

void check_value(const ConfigKey& key, const ConfigValue& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    check_number(key, *integer);
  } else if (const auto* real = std::get_if<double>(&value)) {
    check_number(key, *real);
  } else if (std::holds_alternative<bool>(value)) {
    return;
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    key.type == KeyType::choice ? check_choice(key, *text) : check_text(key, *text);
  } else if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&value)) {
    for (const std::int64_t entry : *integers) {
      check_number(key, entry);
    }
  } else {
    const auto& texts = std::get<std::vector<std::string>>(value);
    if (texts.size() < key.min_entries) {
      throw ConfigError(key.name,
                        fmt::format("{} is empty; it must be {}", key.name, describe_type(key)));
    }
    for (const std::string& entry : texts) {
      check_text(key, entry);
    }
  }
}

std::string describe_type(const ConfigKey& key) {
  switch (key.type) {
    case KeyType::integer:
      return "an integer" + describe_range(key.range);
    case KeyType::real:
      return "a number" + describe_range(key.range);
    case KeyType::boolean:
      return "true or false";
    case KeyType::text:
      return "a string in quotes";
    case KeyType::choice:
      return describe_choices(key.choices);
    case KeyType::text_list:
      return key.min_entries > 0 ? R"(a list of at least one string, such as ["a", "b"])"
                                 : R"(a list of strings, such as ["a", "b"])";
    case KeyType::block_list:
      return "\"auto\" or a list of integers" + describe_range(key.range);
  }
  return "";
}

std::string to_toml(const ConfigKey& key, const ConfigValue& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    return fmt::format("{}", *integer);
  }
  if (const auto* real = std::get_if<double>(&value)) {
    return real_text(*real);
  }
  if (const auto* truth = std::get_if<bool>(&value)) {
    return *truth ? "true" : "false";
  }
  if (const auto* text = std::get_if<std::string>(&value)) {
    return quoted(*text);
  }
  if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&value)) {
    const bool automatic = key.type == KeyType::block_list && integers->empty();
    return automatic ? "\"auto\"" : fmt::format("[{}]", fmt::join(*integers, ", "));
  }
  std::vector<std::string> texts;
  for (const std::string& entry : std::get<std::vector<std::string>>(value)) {
    texts.push_back(quoted(entry));
  }
  return fmt::format("[{}]", fmt::join(texts, ", "));
}

}  // namespace stagecraft
