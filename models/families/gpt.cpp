#include "models/families/gpt.h"

#include "kernels/ops/embedding.h"
#include "models/families/gpt_hub_keys.h"
#include "models/families/gpt_presets.h"
#include "models/layers/attention.h"
#include "models/layers/embedding.h"
#include "models/layers/head.h"
#include "models/layers/mlp.h"

namespace stagecraft {
namespace {

struct BlockConfig {
  AttentionConfig attention;
  MlpConfig mlp;
};

BlockConfig block_config(const ModelConfig& config) {
  return {.attention = {.hidden = config.hidden,
                        .heads = config.heads,
                        .sequence = config.sequence,
                        .dropout = config.dropout,
                        .deviation = kInitialDeviation,
                        .residual_deviation = residual_deviation(config)},
          .mlp = {.hidden = config.hidden,
                  .sequence = config.sequence,
                  .dropout = config.dropout,
                  .deviation = kInitialDeviation,
                  .residual_deviation = residual_deviation(config)}};
}

/// The configuration of the embedding, and of the head, which shares its table.
EmbeddingConfig embedding_config(const ModelConfig& config) {
  return {.vocabulary = config.vocab,
          .hidden = config.hidden,
          .sequence = config.sequence,
          .dropout = config.dropout,
          .deviation = kInitialDeviation};
}

/// Attention followed by the MLP.
class Block : public Layer {
 public:
  Block(const BlockConfig& config, const LayerSetup& setup, const std::string& prefix)
      : attention_(config.attention, setup, prefix), mlp_(config.mlp, setup, prefix) {}
  Tensor forward(LayerContext& context, Tensor x, Stash& stash) override {
    return mlp_.forward(context, attention_.forward(context, std::move(x), stash), stash);
  }
  Tensor backward_input(LayerContext& context, Tensor dy, Stash& stash,
                        WeightStash& weights) override {
    Tensor middle = mlp_.backward_input(context, std::move(dy), stash, weights);
    return attention_.backward_input(context, std::move(middle), stash, weights);
  }

 private:
  Attention attention_;
  Mlp mlp_;
};

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

LayerSpec block_spec(const BlockConfig& config, int shards, std::int64_t index) {
  const std::string prefix = fmt::format("h.{}.", index);
  std::vector<ParameterUse> uses = Attention::parameters(config.attention, prefix, shards);
  for (ParameterUse& use : Mlp::parameters(config.mlp, prefix, shards)) {
    uses.push_back(std::move(use));
  }
  return {.name = fmt::format("block {}", index),
          .cut_before = index > 0,
          .parameters = std::move(uses),
          .cost =
              [config](const CostShape& shape) {
                return in_sequence(Attention::cost(config.attention, shape),
                                   Mlp::cost(config.mlp, shape));
              },
          .make = [config, prefix](const LayerSetup& setup) -> std::unique_ptr<Layer> {
            return std::make_unique<Block>(config, setup, prefix);
          }};
}

LayerSpec head_spec(const EmbeddingConfig& config, int shards) {
  return {.name = "head",
          .cut_before = false,
          .reads = {kTargets},
          .parameters = Head::parameters(config, shards),
          .cost = [config](const CostShape& shape) { return Head::cost(config, shape); },
          .make = [config](const LayerSetup& setup) -> std::unique_ptr<Layer> {
            return std::make_unique<Head>(config, setup);
          }};
}

/// A row's target is the token that follows its own.
std::vector<ContentSpec> contents() {
  return {{.name = kTokens, .values = [](const SampleTexts& texts) { return texts.inputs; }},
          {.name = kTokenOrder,
           .per_row = 2,
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
  model.contents = contents();
  model.losses = {{.name = kLoss, .count = tokens_of}};
  const EmbeddingConfig embedding = embedding_config(config);
  model.layers.push_back(embedding_spec(embedding, tensor_shards));
  for (std::int64_t i = 0; i < config.layers; ++i) {
    model.layers.push_back(block_spec(block_config(config), tensor_shards, i));
  }
  model.layers.push_back(head_spec(embedding, tensor_shards));
  return model;
}

}  // namespace stagecraft
