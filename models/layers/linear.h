// This rank's shards of a linear layer's weight [in, out] and bias [out], in the compute dtype, and
// the numbers of their gradients.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/layers/layer.h"
#include "tensor_parallel/layers/linear.h"

namespace stagecraft {

/// Global sizes, and how the layer is cut over the tensor axis.
struct LinearConfig {
  std::int64_t in = 0;
  std::int64_t out = 0;
  ShardSpec weight_shard;
  ShardSpec bias_shard;
  float deviation = 0;  // weights are initialised as N(0, deviation), the bias as 0
  bool bias = true;
};

struct LinearWeights {
  /// As tensor_parallel/layers/linear.h takes them. bias is empty if the layer has none.
  Tensor weight, bias;
  UseIndex dweight;
  std::optional<UseIndex> dbias;

  struct Named {
    LinearConfig config;
    std::string prefix;
  };
  /// Of each layer in turn: PREFIX.weight and, with a bias, PREFIX.bias.
  static std::vector<ParameterUse> parameters(const std::vector<Named>& layers);
  LinearWeights(const LayerSetup& setup, const std::string& prefix, bool has_bias);

  /// Adds dweight and dbias of y = x weight + bias to `weights`.
  void backward(LayerContext& context, const Tensor& x, const Tensor& dy,
                WeightStash& weights) const;
};

}  // namespace stagecraft
