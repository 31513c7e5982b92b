#include "models/layers/layer_sequence.h"

namespace stagecraft {
namespace {

class LayerSequence : public Layer {
 public:
  LayerSequence(const std::vector<LayerSpec>& specs, const LayerSetup& setup) {
    for (const LayerSpec& spec : specs) {
      layers_.push_back(spec.make(setup));
    }
  }
  Tensor forward(LayerContext& context, Tensor x, Stash& stash) override {
    for (const auto& layer : layers_) {
      x = layer->forward(context, std::move(x), stash);
    }
    return x;
  }
  Tensor backward_input(LayerContext& context, Tensor dy, Stash& stash,
                        WeightStash& weights) override {
    for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer) {
      dy = (*layer)->backward_input(context, std::move(dy), stash, weights);
    }
    return dy;
  }

 private:
  std::vector<std::unique_ptr<Layer>> layers_;
};

LayerCost cost_of(const std::vector<LayerSpec>& layers, const CostShape& shape) {
  LayerCost cost = layers.front().cost(shape);
  for (std::size_t i = 1; i < layers.size(); ++i) {
    cost = in_sequence(cost, layers[i].cost(shape));
  }
  return cost;
}

}  // namespace

LayerSpec in_sequence(std::string name, std::vector<LayerSpec> layers) {
  require(!layers.empty(), "in_sequence", "{} has no layers", name);
  std::vector<std::string> reads;
  std::vector<ParameterUse> uses;
  for (const LayerSpec& layer : layers) {
    reads.insert(reads.end(), layer.reads.begin(), layer.reads.end());
    uses.insert(uses.end(), layer.parameters.begin(), layer.parameters.end());
  }
  return {.name = std::move(name),
          .reads = std::move(reads),
          .parameters = std::move(uses),
          .cost = [layers](const CostShape& shape) { return cost_of(layers, shape); },
          .make = [layers](const LayerSetup& setup) -> std::unique_ptr<Layer> {
            return std::make_unique<LayerSequence>(layers, setup);
          }};
}

}  // namespace stagecraft
