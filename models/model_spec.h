// A model is an ordered list of layer specifications; stages cut this list.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/layer.h"
#include "models/model_config.h"

namespace stagecraft {

struct ModelSpec {
  ModelConfig config;
  int tensor_shards = 1;
  std::vector<LayerSpec> layers;
  std::int64_t hidden = 0;    // columns of the activations at a cut
  std::int64_t sequence = 0;  // T

  /// Every tensor once, in model order.
  std::vector<ParameterSpec> parameters() const;
  std::int64_t parameter_count() const;
};

/// GPT-2 (Radford et al. 2019): token and position embedding, pre-norm blocks, final norm, head
/// tied to the token embedding. `config` is resolved; the vocabulary is padded for `tensor_shards`.
/// Throws ConfigError when heads or the MLP do not divide over the shards.
ModelSpec gpt(const ModelConfig& config, int tensor_shards);

}  // namespace stagecraft
