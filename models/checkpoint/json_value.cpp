#include "models/checkpoint/json_value.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

using Json = nlohmann::json;
using Event = Json::parse_event_t;

constexpr std::size_t kHashDigits = 16;

/// Refuses during parsing what a parsed value no longer shows.
class StrictEvents {
 public:
  StrictEvents(const std::string& file, int depth) : file_(file), depth_(depth) {}

  bool operator()(int depth, Event event, const Json& parsed) {
    if (event == Event::object_start || event == Event::array_start) {
      require(depth < depth_, file_, "more than {} objects and lists within each other", depth_);
    }
    if (event == Event::object_start) {
      keys_.emplace_back();
    } else if (event == Event::object_end) {
      keys_.pop_back();
    } else if (event == Event::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      require(keys_.back().insert(key).second, file_, "the key \"{}\" occurs twice", key);
    }
    return true;
  }

 private:
  const std::string& file_;
  int depth_;
  std::vector<std::set<std::string>> keys_;  // of the objects that are open
};

}  // namespace

Json parse_json(const std::string& file, std::string_view text, int depth) {
  // The parser treats a zero byte as the end and would ignore the rest.
  const std::size_t zero = text.find('\0');
  require(zero == std::string_view::npos, file, "has a zero byte at byte {}", zero);
  try {
    return Json::parse(
        text.begin(), text.end(),
        [events = StrictEvents(file, depth)](int at, Event event, const Json& parsed) mutable {
          return events(at, event, parsed);
        });
  } catch (const Json::parse_error& error) {
    throw Error(file, fmt::format("is not valid JSON at byte {}", error.byte));
  } catch (const Json::out_of_range&) {
    throw Error(file, "has a number that is too large");
  }
}

void JsonValue::check(bool holds, std::string_view text) const {
  require(holds, *file_, "{} {}", path_.empty() ? "the text" : path_, text);
}

const JsonValue& JsonValue::with_members(std::initializer_list<const char*> names) const {
  check(value_->is_object(), "is not an object");
  for (const auto& [name, value] : value_->items()) {
    check(std::ranges::find(names, std::string_view(name)) != names.end(),
          fmt::format("has an unknown member \"{}\"", name));
  }
  for (const char* name : names) {
    check(value_->contains(name), fmt::format("lacks the member \"{}\"", name));
  }
  return *this;
}

JsonValue JsonValue::operator[](const char* member) const {
  return {*file_, fmt::format("{}{}{}", path_, path_.empty() ? "" : ".", member),
          value_->at(member)};
}

std::vector<JsonValue> JsonValue::items() const {
  check(value_->is_array(), "is not a list");
  std::vector<JsonValue> all;
  all.reserve(value_->size());
  for (const Json& item : *value_) {
    all.push_back({*file_, fmt::format("{}[{}]", path_, all.size()), item});
  }
  return all;
}

std::map<std::string, std::string> JsonValue::texts() const {
  check(value_->is_object(), "is not an object");
  std::map<std::string, std::string> all;
  for (const auto& [name, value] : value_->items()) {
    all[name] = JsonValue(*file_, fmt::format("{}.{}", path_, name), value).text();
  }
  return all;
}

std::string JsonValue::text() const {
  check(value_->is_string(), "is not a string");
  return value_->get<std::string>();
}

bool JsonValue::boolean() const {
  check(value_->is_boolean(), "is neither true nor false");
  return value_->get<bool>();
}

double JsonValue::number() const {
  check(value_->is_number(), "is not a number");
  return value_->get<double>();
}

std::int64_t JsonValue::integer() const {
  check(value_->is_number_unsigned(), "is not an integer from 0 on");
  const auto value = value_->get<std::uint64_t>();
  check(value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()),
        "is too large");
  return static_cast<std::int64_t>(value);
}

std::uint64_t JsonValue::hash() const {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const std::string digits = text();
  check(digits.size() == kHashDigits && digits.find_first_not_of(kDigits) == std::string::npos,
        "is not 16 lower-case hexadecimal digits");
  std::uint64_t value = 0;
  for (const char digit : digits) {
    value = value * kHashDigits + kDigits.find(digit);
  }
  return value;
}

}  // namespace stagecraft
