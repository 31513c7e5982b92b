// GPT-2 as an ordered list of layer specifications.
#include <set>

#include "models/attention.h"
#include "models/embedding.h"
#include "models/head.h"
#include "models/mlp.h"
#include "models/model_spec.h"

namespace stagecraft {
namespace {

/// Attention and MLP, one behind the other.
class Block : public Layer {
 public:
  Block(const ModelConfig& config, const LayerPlace& place, const std::string& prefix)
      : attention_(config, place, prefix), mlp_(config, place, prefix) {}
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

LayerSpec embedding_spec(const ModelConfig& config, int shards) {
  return {.name = "embedding",
          .cut_before = false,
          .parameters = Embedding::parameters(config, shards),
          .cost = [config](const CostShape& shape) { return Embedding::cost(config, shape); },
          .make = [config](const LayerPlace& place) -> std::unique_ptr<Layer> {
            return std::make_unique<Embedding>(config, place);
          }};
}

LayerSpec block_spec(const ModelConfig& config, int shards, std::int64_t index) {
  const std::string prefix = fmt::format("h.{}.", index);
  std::vector<ParameterUse> uses = Attention::parameters(config, prefix, shards);
  for (ParameterUse& use : Mlp::parameters(config, prefix, shards)) {
    uses.push_back(std::move(use));
  }
  return {.name = fmt::format("block {}", index),
          .cut_before = index > 0,
          .parameters = std::move(uses),
          .cost =
              [config](const CostShape& shape) {
                return joined(Attention::cost(config, shape), Mlp::cost(config, shape));
              },
          .make = [config, prefix](const LayerPlace& place) -> std::unique_ptr<Layer> {
            return std::make_unique<Block>(config, place, prefix);
          }};
}

LayerSpec head_spec(const ModelConfig& config, int shards) {
  return {.name = "head",
          .cut_before = false,
          .parameters = Head::parameters(config, shards),
          .cost = [config](const CostShape& shape) { return Head::cost(config, shape); },
          .make = [config](const LayerPlace& place) -> std::unique_ptr<Layer> {
            return std::make_unique<Head>(config, place);
          }};
}

}  // namespace

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
  model.layers.push_back(embedding_spec(config, tensor_shards));
  for (std::int64_t i = 0; i < config.layers; ++i) {
    model.layers.push_back(block_spec(config, tensor_shards, i));
  }
  model.layers.push_back(head_spec(config, tensor_shards));
  return model;
}

std::vector<ParameterSpec> ModelSpec::parameters() const {
  std::vector<ParameterSpec> specs;
  std::set<std::string> seen;
  for (const LayerSpec& layer : layers) {
    for (const ParameterUse& use : layer.parameters) {
      if (seen.insert(use.parameter.name).second) {
        specs.push_back(use.parameter);
      }
    }
  }
  return specs;
}

std::int64_t ModelSpec::parameter_count() const {
  std::int64_t count = 0;
  for (const ParameterSpec& spec : parameters()) {
    count += elements_of(spec.shape);
  }
  return count;
}

}  // namespace stagecraft
