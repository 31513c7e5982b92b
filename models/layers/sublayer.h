// A sub-layer of a transformer block (Vaswani et al., arXiv 1706.03762): norm, body and residual.
#pragma once

#include "models/layers/body.h"
#include "models/layers/layer_norm.h"

namespace stagecraft {

/// What the residual of y = R + dropout(body(n)), n = norm(x), begins from.
/// pre: R = x (GPT-2; Megatron-LM's rearranged BERT, arXiv 1909.08053). post: R = n, the order of
/// the original BERT (arXiv 1810.04805), whose norms stand behind the residual: the norm here is
/// that of the sub-layer before, or of the embedding, and the last one is the model's final norm.
enum class NormPlacement : std::uint8_t { pre, post };

struct SublayerConfig {
  LayerNormConfig norm;
  NormPlacement placement = NormPlacement::pre;
  std::int64_t sequence = 0;  // T
  double dropout = 0;         // of the body's result
};

/// Of the norm's parameters, and of the dropout's random numbers.
struct SublayerNames {
  std::string norm;
  std::string dropout;
};

/// Bias, dropout and residual are one operation, and with pre the norm's backward adds the
/// residual's gradient.
class Sublayer : public Layer {
 public:
  /// `body` is the body's own cost.
  static LayerCost cost(const SublayerConfig& config, const LayerCost& body,
                        const CostShape& shape);
  Sublayer(const SublayerConfig& config, const LayerSetup& setup, const SublayerNames& names,
           std::unique_ptr<Body> body);

  Tensor forward(LayerContext& context, Tensor x, Stash& stash) override;
  Tensor backward_input(LayerContext& context, Tensor dy, Stash& stash,
                        WeightStash& weights) override;

 private:
  NormPlacement placement_;
  double dropout_;
  std::uint64_t dropout_key_;
  LayerNorm norm_;
  std::unique_ptr<Body> body_;
};

/// The norm's parameters come first, then the body's. The specification has the norm's name.
LayerSpec sublayer(const SublayerConfig& config, const SublayerNames& names, BodySpec body);

}  // namespace stagecraft
