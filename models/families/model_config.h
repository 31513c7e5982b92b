// The sizes of a model, and the published sizes by name.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

namespace stagecraft {

struct ModelFamily;                   // family.h
extern const ModelFamily kGptFamily;  // gpt.h

/// The [model] table.
struct ModelConfig {
  const ModelFamily* family = &kGptFamily;
  std::string preset;         // "" or a name of the family's presets
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

/// Fills the sizes that are 0 from the preset, then checks every rule that depends only on the
/// sizes: those of all families, then the family's own. Throws ConfigError with keys "model.*".
ModelConfig resolved(ModelConfig config, std::int64_t tokenizer_vocab);

/// Throws ConfigError for a tensor that has more elements than the random generator has numbers for
/// (kernels/base/random.h). `what` names the tensor.
void check_tensor(std::string_view keys, std::string_view what, std::int64_t rows,
                  std::int64_t columns);

/// Weights are initialised as N(0, 0.02), projections onto the residual stream as
/// N(0, 0.02 / sqrt(2 layers)) (Radford et al. 2019, section 2.3).
inline constexpr float kInitialDeviation = 0.02F;
inline float residual_deviation(const ModelConfig& config) {
  return kInitialDeviation / std::sqrt(2.0F * static_cast<float>(config.layers));
}

}  // namespace stagecraft
