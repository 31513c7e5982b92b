// A model is an ordered list of layer specifications, which is partitioned into stages.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/families/model_config.h"
#include "models/families/weight_names.h"
#include "models/layers/layer.h"

namespace stagecraft {

struct ModelSpec {
  ModelConfig config;
  int tensor_shards = 1;
  std::vector<LayerSpec> layers;
  std::int64_t hidden = 0;    // columns of the activations between stages
  std::int64_t sequence = 0;  // T
  WeightNames weight_names;   // of its files

  /// Every parameter once, in model order.
  std::vector<ParameterSpec> parameters() const;
  /// The tensor that several layers use, if there is one.
  std::optional<ParameterSpec> tied_parameter() const;
  std::int64_t parameter_count() const;
};

}  // namespace stagecraft
