// GPT-2 as an ordered list of layer specifications.
#pragma once

#include "models/families/family.h"

namespace stagecraft {

/// GPT-2 (Radford et al. 2019): token and position embedding, pre-norm blocks, final norm, head
/// tied to the token embedding. `config` is resolved; the vocabulary is padded for `tensor_shards`.
/// Throws ConfigError if `tensor_shards` does not divide the heads and the MLP's hidden units.
ModelSpec gpt(const ModelConfig& config, int tensor_shards);

}  // namespace stagecraft
