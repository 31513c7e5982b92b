// The published sizes of GPT-2.
#pragma once

#include <array>

#include "models/families/model_config.h"

namespace stagecraft {

/// OpenAI's GPT-2 ("gpt2-124m" ...) and Megatron-LM's ("megatron-8.3b" ...; arXiv 1909.08053),
/// whose vocabulary of 51200 is the 50257 tokens with padding.
inline constexpr std::array kGptPresets{
    ModelPreset{"gpt2-124m", 12, 768, 12, 1024, 50257},
    ModelPreset{"gpt2-355m", 24, 1024, 16, 1024, 50257},
    ModelPreset{"gpt2-774m", 36, 1280, 20, 1024, 50257},
    ModelPreset{"gpt2-1558m", 48, 1600, 25, 1024, 50257},
    ModelPreset{"megatron-355m", 24, 1024, 16, 1024, 51200},
    ModelPreset{"megatron-1.2b", 40, 1536, 16, 1024, 51200},
    ModelPreset{"megatron-2.5b", 54, 1920, 20, 1024, 51200},
    ModelPreset{"megatron-4.2b", 64, 2304, 24, 1024, 51200},
    ModelPreset{"megatron-8.3b", 72, 3072, 24, 1024, 51200},
};

}  // namespace stagecraft
