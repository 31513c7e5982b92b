#include "models/families/gpt.h"

#include "kernels/ops/embedding.h"
#include "models/families/gpt_hub_keys.h"
#include "models/families/gpt_presets.h"
#include "models/layers/attention.h"
#include "models/layers/embedding.h"
#include "models/layers/head.h"
#include "models/layers/layer_sequence.h"
#include "models/layers/mlp.h"
#include "models/layers/sublayer.h"

namespace stagecraft {
namespace {

/// The configuration of the embedding, and of the head, which shares its table.
EmbeddingConfig embedding_config(const ModelConfig& config) {
  return {.vocabulary = config.vocab,
          .hidden = config.hidden,
          .sequence = config.sequence,
          .dropout = config.dropout,
          .deviation = kInitialDeviation};
}

LayerSpec embedding_spec(const EmbeddingConfig& config, int shards) {
  return {.name = "embedding",
          .cut_before = false,
          .reads = {kTokens, kTokenOrder},
          .parameters = Embedding::parameters(config, shards),
          .cost = [config](const CostShape& shape) { return Embedding::cost(config, shape); },
          .make = [config](const LayerSetup& setup) -> std::unique_ptr<Layer> {
            return std::make_unique<Embedding>(config, setup);
          }};
}

AttentionConfig attention_config(const ModelConfig& config) {
  return {.hidden = config.hidden,
          .heads = config.heads,
          .sequence = config.sequence,
          .dropout = config.dropout,
          .deviation = kInitialDeviation,
          .residual_deviation = residual_deviation(config)};
}

MlpConfig mlp_config(const ModelConfig& config) {
  return {.hidden = config.hidden,
          .inner = 4 * config.hidden,
          .sequence = config.sequence,
          .deviation = kInitialDeviation,
          .residual_deviation = residual_deviation(config)};
}

/// Attention followed by the MLP.
LayerSpec block_spec(const ModelConfig& config, int shards, std::int64_t index) {
  const SublayerConfig pre_norm{
      .norm = {.hidden = config.hidden}, .sequence = config.sequence, .dropout = config.dropout};
  const std::string prefix = fmt::format("h.{}.", index);
  LayerSpec block =
      in_sequence(fmt::format("block {}", index),
                  {sublayer(pre_norm, {prefix + "ln_1", prefix + "attn.resid_dropout"},
                            attention(attention_config(config), prefix + "attn.", shards)),
                   sublayer(pre_norm, {prefix + "ln_2", prefix + "mlp.resid_dropout"},
                            mlp(mlp_config(config), prefix + "mlp.", shards))});
  block.cut_before = index > 0;
  return block;
}

LayerSpec head_spec(const EmbeddingConfig& config, int shards) {
  return {.name = "head",
          .cut_before = false,
          .reads = {kTargets},
          .parameters = Head::parameters(config, shards),
          .cost = [config,
                   shards](const CostShape& shape) { return Head::cost(config, shards, shape); },
          .make = [config](const LayerSetup& setup) -> std::unique_ptr<Layer> {
            return std::make_unique<Head>(config, setup);
          }};
}

/// The hub's: a parameter's name is its tensor's. h.I.attn.bias is the causal mask.
WeightNames weight_names() {
  return {.prefix = "transformer.",
          .tensors = {},
          .copies = {{.name = "lm_head.weight", .parameter = "wte.weight"}},
          .ignored = {"h.*.attn.bias", "h.*.attn.masked_bias"}};
}

/// A row's target is the token that follows its own.
std::vector<ContentSpec> contents() {
  return {{.name = kTokens, .values = [](const SampleTexts& texts) { return texts.inputs; }},
          {.name = kTokenOrder,
           .each = 2,
           .for_backward = true,
           .values = [](const SampleTexts& texts) { return token_order(texts.inputs); }},
          {.name = kTargets, .values = [](const SampleTexts& texts) { return texts.targets; }}};
}

/// Every token of a sample has a target.
std::int64_t tokens_of(const Samples& samples) {
  return static_cast<std::int64_t>(samples.indices.size()) * samples.sequence;
}

void check(const ModelConfig& config) {
  check_tensor("model.hidden", "the MLP's weight", 4 * config.hidden, config.hidden);
  check_tensor("model.vocab model.hidden", "the token embedding", config.vocab, config.hidden);
  check_tensor("model.sequence model.hidden", "the position embedding", config.sequence,
               config.hidden);
}

}  // namespace

constinit const ModelFamily kGptFamily{.name = "gpt",
                                       .title = "GPT",
                                       .presets = kGptPresets,
                                       .check = check,
                                       .make = gpt,
                                       .hub_keys = gpt_hub_keys};

ModelSpec gpt(const ModelConfig& config, int tensor_shards) {
  if (config.heads % tensor_shards != 0) {
    throw ConfigError("model.heads parallel.tensor",
                      fmt::format("{} heads cannot be divided over {} tensor ranks; choose a "
                                  "tensor size that divides the heads",
                                  config.heads, tensor_shards));
  }
  if (4 * config.hidden % tensor_shards != 0) {
    throw ConfigError("model.hidden parallel.tensor",
                      fmt::format("the {} hidden units of the MLP cannot be divided over {} tensor "
                                  "ranks; choose a tensor size that divides them",
                                  4 * config.hidden, tensor_shards));
  }
  ModelSpec model;
  model.config = config;
  model.tensor_shards = tensor_shards;
  model.hidden = config.hidden;
  model.sequence = config.sequence;
  model.weight_names = weight_names();
  model.contents = contents();
  model.losses = {{.name = kLoss, .count = tokens_of}};
  const EmbeddingConfig embedding = embedding_config(config);
  model.layers.push_back(embedding_spec(embedding, tensor_shards));
  for (std::int64_t i = 0; i < config.layers; ++i) {
    model.layers.push_back(block_spec(config, tensor_shards, i));
  }
  model.layers.push_back(head_spec(embedding, tensor_shards));
  return model;
}

}  // namespace stagecraft
