// The sizes of a model, and the published sizes by name.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace stagecraft {

enum class ModelFamily { gpt };

/// The [model] table.
struct ModelConfig {
  ModelFamily family = ModelFamily::gpt;
  std::string preset;         // "" or a name of model_presets()
  std::int64_t layers = 0;    // transformer blocks
  std::int64_t hidden = 0;    // h
  std::int64_t heads = 0;     // divides hidden
  std::int64_t sequence = 0;  // T, tokens per sample
  std::int64_t vocab = 0;     // without padding; 0: the tokenizer's
  double dropout = 0;         // embedding, attention probabilities and both residual branches
  std::string init_from;      // where initial weights are (initial_model.h); "": random ones
};

/// A published model size. `vocab` and `sequence` are the published values.
struct ModelPreset {
  std::string_view name;
  std::int64_t layers, hidden, heads, sequence, vocab;
};

/// OpenAI's GPT-2 ("gpt2-124m" ...) and Megatron-LM's ("megatron-8.3b" ...; arXiv 1909.08053).
std::span<const ModelPreset> model_presets();

/// Fills the sizes that are 0 from the preset, then checks every rule that depends only on the
/// sizes. Throws ConfigError with keys "model.*".
ModelConfig resolved(ModelConfig config, std::int64_t tokenizer_vocab);

/// Weights are initialised as N(0, 0.02), projections onto the residual stream as
/// N(0, 0.02 / sqrt(2 layers)) (Radford et al. 2019, section 2.3).
inline constexpr float kInitialDeviation = 0.02F;
inline float residual_deviation(const ModelConfig& config) {
  return kInitialDeviation / std::sqrt(2.0F * static_cast<float>(config.layers));
}

}  // namespace stagecraft
