// A model is an ordered list of layer specifications, which is partitioned into stages.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "models/families/contents.h"
#include "models/families/model_config.h"
#include "models/families/weight_names.h"
#include "models/layers/layer.h"

namespace stagecraft {

struct ModelSpec {
  ModelConfig config;
  int tensor_shards = 1;
  std::vector<LayerSpec> layers;
  std::int64_t hidden = 0;            // columns of the activations between stages
  std::int64_t sequence = 0;          // T
  WeightNames weight_names;           // of its files
  std::vector<ContentSpec> contents;  // of a micro-batch
  /// T of a micro-batch with these samples, at most `sequence`: padding behind the longest sample
  /// may be left out. Empty: `sequence`, always.
  std::function<std::int64_t(const Samples&)> bucket;
  std::vector<LossSpec> losses;  // that the last layer writes; at least one

  /// Every parameter once, in model order.
  std::vector<ParameterSpec> parameters() const;
  /// The tensor that several layers use, if there is one.
  std::optional<ParameterSpec> tied_parameter() const;
  std::int64_t parameter_count() const;
  /// What the layers `first` .. `last` - 1 read of a micro-batch. Throws Error for a content that
  /// the model does not have.
  std::vector<ContentSpec> contents_of(int first, int last) const;
  /// T of a micro-batch with these samples. Throws Error if the family says more than `sequence`.
  std::int64_t sequence_of(const Samples& samples) const;
  /// What the losses count in these samples.
  LossCounts counts(const Samples& samples) const;
};

}  // namespace stagecraft
