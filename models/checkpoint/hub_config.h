// config.json of the hub's GPT-2: what transformers' GPT2LMHeadModel.from_pretrained reads.
#pragma once

#include <filesystem>
#include <string>

#include "models/families/model_config.h"

namespace stagecraft {

/// A config.json beside weights must describe the same function as `config`: sizes, activation,
/// epsilon and head count, which no tensor's shape shows. Keys that are absent have the hub's
/// defaults. Throws Error "[FILE] ..." that names the key and both values.
void check_hub_config(const std::filesystem::path& file, const ModelConfig& config);

/// config.json of the hub's GPT-2.
std::string hub_config_json(const ModelConfig& config);

}  // namespace stagecraft
