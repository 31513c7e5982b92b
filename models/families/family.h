// A family of models: what `model.family` chooses.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "models/families/hub_keys.h"
#include "models/families/model_config.h"
#include "models/families/model_spec.h"

namespace stagecraft {

struct ModelFamily {
  std::string_view name;   // the value of model.family
  std::string_view title;  // in reports
  std::span<const ModelPreset> presets;
  /// The rules over sizes that only this family has, after those of resolved(). Throws ConfigError
  /// with keys "model.*".
  void (*check)(const ModelConfig& config) = nullptr;
  /// The model, with what its micro-batches contain, and its losses. `config` is resolved. Throws
  /// ConfigError with the keys for sizes that cannot be divided over `tensor_shards`.
  ModelSpec (*make)(const ModelConfig& config, int tensor_shards) = nullptr;
  /// The keys of the config.json beside the model's weights, in their order.
  std::vector<HubKey> (*hub_keys)(const ModelConfig& config) = nullptr;
};

/// The model of the configuration's family.
inline ModelSpec make_model(const ModelConfig& config, int tensor_shards) {
  return config.family->make(config, tensor_shards);
}

}  // namespace stagecraft
