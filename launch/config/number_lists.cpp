#include "launch/config/number_lists.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cmath>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

constexpr std::string_view kWhere = "number list";

double number_of(std::string_view name, const toml::node& node) {
  const std::optional<double> value = node.value<double>();
  require(value && std::isfinite(*value) && *value >= 0 && !node.is_boolean(), kWhere,
          "{} has a value that is no number of at least 0; write a number, as {}=1.5", name, name);
  return *value;
}

NumberList list_of(std::string_view name, const toml::node& node) {
  NumberList list{std::string(name), {}};
  if (const toml::array* array = node.as_array()) {
    for (const toml::node& entry : *array) {
      list.values.push_back(number_of(name, entry));
    }
    require(!list.values.empty(), kWhere, "{} has an empty list; list one number or more", name);
  } else {
    list.values.push_back(number_of(name, node));
  }
  return list;
}

toml::table parse_table(std::string_view text) {
  try {
    return toml::parse(fmt::format("all = {{{}}}", text));
  } catch (const toml::parse_error& error) {
    throw Error(kWhere, fmt::format("\"{}\" cannot be read: {}; write NAME=NUMBER or "
                                    "NAME=[NUMBER,NUMBER], joined by commas",
                                    text, error.description()));
  }
}

}  // namespace

double NumberList::one() const {
  require(values.size() == 1, kWhere, "{} has {} numbers; write one", name, values.size());
  return values.front();
}

std::vector<double> NumberList::each(int count, std::string_view things) const {
  const auto size = static_cast<std::size_t>(count);
  require(values.size() == 1 || values.size() == size, kWhere,
          "{} has {} numbers for {} {}; list one for each, or write one for all", name,
          values.size(), count, things);
  return values.size() == size ? values : std::vector<double>(size, values.front());
}

std::vector<NumberList> parse_number_lists(std::string_view text,
                                           std::span<const std::string_view> names) {
  const toml::table table = parse_table(text);
  std::vector<NumberList> lists;
  for (const auto& [key, node] : *table.get_as<toml::table>("all")) {
    require(std::find(names.begin(), names.end(), key.str()) != names.end(), kWhere,
            "\"{}\" is no known name; the names are {}", key.str(), fmt::join(names, ", "));
    lists.push_back(list_of(key.str(), node));
  }
  return lists;
}

}  // namespace stagecraft
