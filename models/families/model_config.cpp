#include "models/families/model_config.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <vector>

#include "kernels/base/error.h"
#include "kernels/base/nearest.h"
#include "models/families/family.h"

namespace stagecraft {
namespace {

// The product of two such sizes and 4 bytes is far below 2^63.
constexpr std::int64_t kLargestSize = std::int64_t{1} << 24;
// The random generator has numbers for at most this many elements (kernels/base/random.h).
constexpr std::int64_t kLargestTensor = std::int64_t{1} << 34;

struct Size {
  std::string_view key;
  std::int64_t ModelConfig::*value;
  std::int64_t ModelPreset::*published;
};
constexpr std::array kSizes{
    Size{"model.layers", &ModelConfig::layers, &ModelPreset::layers},
    Size{"model.hidden", &ModelConfig::hidden, &ModelPreset::hidden},
    Size{"model.heads", &ModelConfig::heads, &ModelPreset::heads},
    Size{"model.sequence", &ModelConfig::sequence, &ModelPreset::sequence},
    Size{"model.vocab", &ModelConfig::vocab, &ModelPreset::vocab},
};

std::vector<std::string> preset_names(const ModelFamily& family) {
  std::vector<std::string> names;
  names.reserve(family.presets.size());
  for (const ModelPreset& preset : family.presets) {
    names.emplace_back(preset.name);
  }
  return names;
}

const ModelPreset& preset_named(const ModelFamily& family, const std::string& name) {
  const auto found = std::find_if(family.presets.begin(), family.presets.end(),
                                  [&](const ModelPreset& preset) { return preset.name == name; });
  if (found != family.presets.end()) {
    return *found;
  }
  const std::vector<std::string> names = preset_names(family);
  if (names.empty()) {
    throw ConfigError("model.preset model.family",
                      fmt::format("the family \"{}\" has no presets; give the sizes", family.name));
  }
  throw ConfigError("model.preset",
                    fmt::format(R"(unknown preset "{}"; did you mean "{}"? Presets: {})", name,
                                nearest(name, names), fmt::join(names, ", ")));
}

void fill_from_preset(ModelConfig& config) {
  if (config.preset.empty()) {
    return;
  }
  const ModelPreset& preset = preset_named(*config.family, config.preset);
  for (const Size& size : kSizes) {
    if (config.*size.value == 0) {
      config.*size.value = preset.*size.published;
    }
  }
}

void check_sizes(const ModelConfig& config) {
  std::vector<std::string_view> missing;
  for (const Size& size : kSizes) {
    const std::int64_t value = config.*size.value;
    if (value < 0 || value > kLargestSize) {
      throw ConfigError(std::string(size.key),
                        fmt::format("{} is outside of 1 .. {}", value, kLargestSize));
    }
    if (value == 0) {
      missing.push_back(size.key);
    }
  }
  if (!missing.empty()) {
    const std::vector<std::string> presets = preset_names(*config.family);
    std::string text = fmt::format("not set: give {}", fmt::join(missing, ", "));
    if (!presets.empty()) {
      text += fmt::format(", or choose a published size with model.preset = one of {}",
                          fmt::join(presets, ", "));
    }
    throw ConfigError(fmt::format("{}", fmt::join(missing, " ")), text);
  }
}

void check_rules(const ModelConfig& config, std::int64_t tokenizer_vocab) {
  if (config.hidden % config.heads != 0) {
    throw ConfigError("model.hidden model.heads",
                      fmt::format("hidden = {} cannot be divided into {} heads; the remainder is "
                                  "{}",
                                  config.hidden, config.heads, config.hidden % config.heads));
  }
  if (config.vocab < tokenizer_vocab) {
    throw ConfigError("model.vocab",
                      fmt::format("a vocabulary of {} is smaller than the tokenizer's {} tokens",
                                  config.vocab, tokenizer_vocab));
  }
  if (!(config.dropout >= 0 && config.dropout < 1)) {
    throw ConfigError("model.dropout",
                      fmt::format("{} is not a probability in [0, 1)", config.dropout));
  }
}

}  // namespace

ModelConfig resolved(ModelConfig config, std::int64_t tokenizer_vocab) {
  fill_from_preset(config);
  if (config.vocab == 0) {
    config.vocab = tokenizer_vocab;
  }
  check_sizes(config);
  check_rules(config, tokenizer_vocab);
  if (config.family->check != nullptr) {
    config.family->check(config);
  }
  return config;
}

void check_tensor(std::string_view keys, std::string_view what, std::int64_t rows,
                  std::int64_t columns) {
  if (rows * columns > kLargestTensor) {
    throw ConfigError(std::string(keys),
                      fmt::format("{} of {} x {} would have more than {} elements", what, rows,
                                  columns, kLargestTensor));
  }
}

}  // namespace stagecraft
