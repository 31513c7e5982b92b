// config.json beside a model's weights, as the hub's library reads it. The family says its keys
// (ModelFamily::hub_keys).
#pragma once

#include <filesystem>
#include <string>

#include "models/families/model_config.h"

namespace stagecraft {

/// Checks that a config.json beside weights describes the same function as `config`: the sizes, and
/// what the tensor shapes do not show, as the head count. Absent keys have the hub's defaults.
/// Throws Error "[FILE] ..." with the key and both values.
void check_hub_config(const std::filesystem::path& file, const ModelConfig& config);

/// Those keys of the family that are written.
std::string hub_config_json(const ModelConfig& config);

}  // namespace stagecraft
