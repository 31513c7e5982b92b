// The benchmarks' model.
#pragma once

#include "models/families/model_config.h"

namespace stagecraft::bench {

/// GPT-2 124M with 256 positions.
inline ModelConfig gpt2_124m() {
  ModelConfig config;
  config.layers = 12;
  config.hidden = 768;
  config.heads = 12;
  config.sequence = 256;
  config.vocab = 50257;
  return config;
}

}  // namespace stagecraft::bench
