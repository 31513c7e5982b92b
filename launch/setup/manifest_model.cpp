#include "launch/setup/manifest_model.h"

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "launch/config/config_table.h"
#include "launch/config/toml_reader.h"
#include "models/families/family.h"

namespace stagecraft {

namespace {

/// Whether a configuration of the model needs the key. Of a later program, the manifest may have
/// settings of keys that this one does not know.
bool is_of_model(std::string_view key) {
  return key.starts_with("model.") || key.starts_with("data.") || key.starts_with("train.");
}

/// TOML has no value for a key that is not set.
bool is_set(const std::string& value) { return value != "\"\"" && value != "[]"; }

}  // namespace

ModelSpec manifest_model(const CheckpointManifest& manifest) {
  std::string toml;
  for (const ConfigKey& key : config_table()) {
    const auto setting = manifest.settings.find(key.name);
    if (setting != manifest.settings.end() && is_of_model(key.name) && is_set(setting->second)) {
      toml += fmt::format("{} = {}\n", key.name, setting->second);
    }
  }
  const ModelConfig& model = parse_config(toml, "manifest.json", {}).settings.model;
  return make_model(resolved(model, model.vocab), 1);
}

}  // namespace stagecraft
