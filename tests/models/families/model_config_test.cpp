#include "models/families/model_config.h"
#include "models/families/gpt_presets.h"
#include "models/layers/embedding.h"

#include <catch2/catch.hpp>
#include <functional>
#include <limits>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;

ModelConfig tiny() {
  ModelConfig config;
  config.layers = 2;
  config.hidden = 48;
  config.heads = 6;
  config.sequence = 32;
  return config;
}

/// The number of parameters of GPT-2 with a tied head.
std::int64_t parameters_of(const ModelConfig& c) {
  return (c.vocab + c.sequence) * c.hidden + c.layers * (12 * c.hidden * c.hidden + 13 * c.hidden) +
         2 * c.hidden;
}

std::string keys_of(const ModelConfig& config, const std::string& part_of_text) {
  try {
    resolved(config, 256);
  } catch (const ConfigError& error) {
    CHECK_THAT(error.text(), Contains(part_of_text));
    return error.keys();
  }
  return "no error";
}

TEST_CASE("the presets have the published numbers of parameters") {
  const auto count = [](const char* preset) {
    ModelConfig config;
    config.preset = preset;
    return parameters_of(resolved(config, 256));
  };
  // Exact numbers of OpenAI's checkpoints.
  CHECK(count("gpt2-124m") == 124439808);
  CHECK(count("gpt2-355m") == 354823168);
  CHECK(count("gpt2-774m") == 774030080);
  CHECK(count("gpt2-1558m") == 1557611200);
  // Numbers of arXiv 1909.08053, in billions.
  CHECK(static_cast<double>(count("megatron-355m")) / 1e9 == Approx(0.355).margin(0.002));
  CHECK(static_cast<double>(count("megatron-1.2b")) / 1e9 == Approx(1.2).margin(0.05));
  CHECK(static_cast<double>(count("megatron-2.5b")) / 1e9 == Approx(2.5).margin(0.05));
  CHECK(static_cast<double>(count("megatron-4.2b")) / 1e9 == Approx(4.2).margin(0.05));
  CHECK(static_cast<double>(count("megatron-8.3b")) / 1e9 == Approx(8.3).margin(0.05));
  CHECK(kGptPresets.size() == 9);
}

TEST_CASE("given sizes override the preset's, and a given vocabulary the tokenizer's") {
  ModelConfig config;
  config.preset = "gpt2-124m";
  config.layers = 3;
  const ModelConfig with_preset = resolved(config, 256);
  CHECK(with_preset.layers == 3);
  CHECK(with_preset.hidden == 768);
  CHECK(with_preset.vocab == 50257);
  CHECK(resolved(tiny(), 256).vocab == 256);
  config = tiny();
  config.vocab = 300;
  CHECK(resolved(config, 256).vocab == 300);
}

TEST_CASE("the error for an unknown preset names the nearest preset and all presets") {
  ModelConfig config;
  config.preset = "gpt2-134m";
  CHECK(keys_of(config, "did you mean \"gpt2-124m\"? Presets: gpt2-124m, gpt2-355m, ") ==
        "model.preset");
  config.preset = "megatron-8.3";
  CHECK(keys_of(config, "did you mean \"megatron-8.3b\"?") == "model.preset");
}

TEST_CASE("one error names all missing sizes, with both ways to set them") {
  ModelConfig config = tiny();
  config.hidden = 0;
  config.sequence = 0;
  CHECK(keys_of(config,
                "give model.hidden, model.sequence, or choose a published size with "
                "model.preset = one of gpt2-124m, ") == "model.hidden model.sequence");
}

TEST_CASE("the error of every rule for sizes names the keys and numbers") {
  const auto broken = [](const std::function<void(ModelConfig&)>& change, const std::string& text) {
    ModelConfig config = tiny();
    change(config);
    return keys_of(config, text);
  };
  CHECK(broken([](auto& c) { c.heads = 5; }, "hidden = 48 cannot be divided into 5 heads") ==
        "model.hidden model.heads");
  CHECK(broken([](auto& c) { c.layers = -1; }, "-1 is outside of 1 .. ") == "model.layers");
  CHECK(broken([](auto& c) { c.sequence = std::int64_t{1} << 60; }, "is outside of 1 .. ") ==
        "model.sequence");
  CHECK(broken([](auto& c) { c.vocab = 255; }, "255 is smaller than the tokenizer's 256") ==
        "model.vocab");
  CHECK(broken([](auto& c) { c.dropout = 1; }, "1 is not a probability in [0, 1)") ==
        "model.dropout");
  CHECK(broken([](auto& c) { c.dropout = -0.1; }, "-0.1 is not a probability") == "model.dropout");
  CHECK(broken([](auto& c) { c.dropout = std::numeric_limits<double>::quiet_NaN(); }, "nan is") ==
        "model.dropout");
  CHECK(broken([](auto& c) { c.hidden = 96000; }, "384000 x 96000 would have more than") ==
        "model.hidden");
}

TEST_CASE("the vocabulary is padded to a multiple of 128 x shards") {
  CHECK(padded_vocab(50257, 1) == 50304);
  CHECK(padded_vocab(50257, 2) == 50432);
  CHECK(padded_vocab(256, 2) == 256);
  CHECK(padded_vocab(256, 3) == 384);
}

}  // namespace
}  // namespace stagecraft
