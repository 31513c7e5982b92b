// config.json of the hub's GPT-2.
#pragma once

#include <vector>

#include "models/families/hub_keys.h"
#include "models/families/model_config.h"

namespace stagecraft {

/// What transformers' GPT2LMHeadModel.from_pretrained reads.
std::vector<HubKey> gpt_hub_keys(const ModelConfig& config);

}  // namespace stagecraft
