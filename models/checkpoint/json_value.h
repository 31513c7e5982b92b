// JSON that is read strictly: what is not expected is an error that names its place.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace stagecraft {

/// Parses one JSON value. Throws Error "[FILE] ..." for text that is not JSON, for a key that
/// occurs twice in an object, and for more than `depth` objects and lists within each other.
nlohmann::json parse_json(const std::string& file, std::string_view text, int depth);

/// A value within a file. Each function throws Error "[FILE] PATH ..." unless the value is of its
/// type. `file` and the value must outlive it.
class JsonValue {
 public:
  JsonValue(const std::string& file, const nlohmann::json& value) : JsonValue(file, "", value) {}

  /// An object with these members and no others.
  const JsonValue& with_members(std::initializer_list<const char*> names) const;
  JsonValue operator[](const char* member) const;
  std::vector<JsonValue> items() const;
  std::map<std::string, std::string> texts() const;
  std::string text() const;
  bool boolean() const;
  bool is_null() const { return value_->is_null(); }
  double number() const;
  /// Not negative.
  std::int64_t integer() const;
  /// 16 lower-case hexadecimal digits.
  std::uint64_t hash() const;
  /// Throws Error "[FILE] PATH TEXT" unless `holds`.
  void check(bool holds, std::string_view text) const;

 private:
  JsonValue(const std::string& file, std::string path, const nlohmann::json& value)
      : file_(&file), path_(std::move(path)), value_(&value) {}

  const std::string* file_;
  std::string path_;  // "tensors[3].shape"
  const nlohmann::json* value_;
};

}  // namespace stagecraft
