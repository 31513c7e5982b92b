#include "models/checkpoint/hub_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "models/families/family.h"

namespace stagecraft {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kLongestConfig = std::size_t{1} << 20;

/// Lists and objects are shown by type only: printing them would recurse as deep as the file nests.
std::string shown(const Json& value) {
  return value.is_structured() ? fmt::format("an {}", value.type_name()) : value.dump();
}

void check_key(const std::filesystem::path& file, const HubKey& key, const Json& json) {
  const bool given = json.contains(key.name);
  const Json absent = Json::parse(key.absent);
  const Json& found = given ? json[key.name] : absent;  // a copy would recurse, too
  const bool fits =
      std::any_of(key.values.begin(), key.values.end(),
                  [&](const std::string& value) { return Json::parse(value) == found; });
  require(fits, file.string(), "{} is {}{}, but this model needs {}", key.name, shown(found),
          given ? "" : " (by default)", key.values.front());
}

}  // namespace

void check_hub_config(const std::filesystem::path& file, const ModelConfig& config) {
  const std::string text = read_file(file);
  require(text.size() <= kLongestConfig, file.string(), "{} bytes are too many for a config.json",
          text.size());
  const Json json = Json::parse(text, nullptr, false);
  require(json.is_object(), file.string(), "is not a JSON object");
  for (const HubKey& key : config.family->hub_keys(config)) {
    if (!key.absent.empty()) {
      check_key(file, key, json);
    }
  }
}

std::string hub_config_json(const ModelConfig& config) {
  nlohmann::ordered_json json;
  for (const HubKey& key : config.family->hub_keys(config)) {
    if (key.written) {
      json[key.name] = nlohmann::ordered_json::parse(key.values.front());
    }
  }
  return json.dump(2) + "\n";
}

}  // namespace stagecraft
