// Transformer blocks that no family of the product has, made of the product's parts.
#pragma once

#include <string>
#include <vector>

#include "models/families/model_config.h"
#include "models/layers/attention.h"
#include "models/layers/layer_sequence.h"
#include "models/layers/mlp.h"
#include "models/layers/sublayer.h"

namespace stagecraft::test {

struct BlockKind {
  std::string name;
  NormPlacement placement = NormPlacement::pre;
  Activation activation = Activation::gelu_tanh;
  bool bias = true;  // of linear layers, and beta of norms
  float epsilon = 1e-5F;
};

inline std::vector<BlockKind> block_kinds() {
  return {{.name = "post-norm with GELU by erf",
           .placement = NormPlacement::post,
           .activation = Activation::gelu_erf,
           .epsilon = 1e-12F},
          {.name = "ReLU without biases", .activation = Activation::relu, .bias = false}};
}

inline LayerSpec block_of(const BlockKind& kind, const ModelConfig& config, int shards,
                          const std::string& prefix) {
  const SublayerConfig sub{
      .norm = {.hidden = config.hidden, .epsilon = kind.epsilon, .beta = kind.bias},
      .placement = kind.placement,
      .sequence = config.sequence,
      .dropout = config.dropout};
  const AttentionConfig mixing{.hidden = config.hidden,
                               .heads = config.heads,
                               .sequence = config.sequence,
                               .dropout = config.dropout,
                               .bias = kind.bias,
                               .deviation = kInitialDeviation,
                               .residual_deviation = residual_deviation(config)};
  const MlpConfig feed{.hidden = config.hidden,
                       .inner = 2 * config.hidden,
                       .sequence = config.sequence,
                       .activation = kind.activation,
                       .bias = kind.bias,
                       .deviation = kInitialDeviation,
                       .residual_deviation = residual_deviation(config)};
  return in_sequence(prefix + "block", {sublayer(sub, {prefix + "ln_1", prefix + "drop_1"},
                                                 attention(mixing, prefix + "attn.", shards)),
                                        sublayer(sub, {prefix + "ln_2", prefix + "drop_2"},
                                                 mlp(feed, prefix + "mlp.", shards))});
}

}  // namespace stagecraft::test
