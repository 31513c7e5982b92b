// config.json of the hub's GPT-2: what transformers' GPT2LMHeadModel.from_pretrained reads.
#pragma once

#include <filesystem>
#include <string>

#include "models/families/model_config.h"

namespace stagecraft {

/// Checks that a config.json beside weights describes the same function as `config`: the sizes, and
/// the activation, epsilon and head count, which the tensor shapes do not show. Absent keys have
/// the hub's defaults. Throws Error "[FILE] ..." with the key and both values.
void check_hub_config(const std::filesystem::path& file, const ModelConfig& config);

/// config.json of the hub's GPT-2.
std::string hub_config_json(const ModelConfig& config);

}  // namespace stagecraft
