// What a model says of its micro-batches.
#include "models/families/model_spec.h"
#include "models/families/gpt.h"
#include "models/layers/embedding.h"
#include "models/layers/head.h"

#include <catch2/catch.hpp>

#include "kernels/base/error.h"
#include "kernels/ops/cross_entropy.h"

namespace stagecraft {
namespace {

ModelSpec tiny() {
  ModelConfig config;
  config.layers = 2;
  config.hidden = 8;
  config.heads = 2;
  config.sequence = 2;
  config.vocab = 256;
  return make_model(config, 1);
}

std::vector<std::string> names(const std::vector<ContentSpec>& contents) {
  std::vector<std::string> all;
  for (const ContentSpec& content : contents) {
    all.push_back(content.name);
  }
  return all;
}

/// The first sample of a text, and one that is absent.
Samples one_of_two() {
  const std::vector<std::uint8_t> text{9, 7, 8, 6, 5};
  return {
      .text = std::make_shared<TokenDataset>(text, 2), .sequence = 2, .size = 2, .indices = {0}};
}

}  // namespace

TEST_CASE("a chunk reads the contents that its layers name, each once") {
  ModelSpec model = tiny();
  CHECK(names(model.contents_of(0, 1)) == std::vector<std::string>{kTokens, kTokenOrder});
  CHECK(names(model.contents_of(1, 3)).empty());
  CHECK(names(model.contents_of(3, 4)) == std::vector<std::string>{kTargets});
  model.layers[1].reads = {kTargets, kTokens};
  CHECK(names(model.contents_of(0, 4)) == std::vector<std::string>{kTokens, kTokenOrder, kTargets});
  model.layers[1].reads = {"lengths"};
  CHECK_THROWS_WITH(model.contents_of(1, 2),
                    "[block 0] a micro-batch has no content \"lengths\"; name it in the family's "
                    "contents");
}

TEST_CASE(
    "GPT's contents: tokens, their order, and the tokens that follow; absent samples are ignored") {
  const ModelSpec model = tiny();
  const SampleTexts texts = one_of_two().read();
  const auto values = [&](const char* name) {
    for (const ContentSpec& content : model.contents) {
      if (content.name == name) {
        return content.values(texts);
      }
    }
    return std::vector<std::int32_t>();
  };
  CHECK(values(kTokens) == std::vector<std::int32_t>{9, 7, 0, 0});
  CHECK(values(kTargets) == std::vector<std::int32_t>{7, 8, kIgnoredTarget, kIgnoredTarget});
  CHECK(values(kTokenOrder) == std::vector<std::int32_t>{0, 0, 7, 9, 2, 3, 1, 0});
}

TEST_CASE("GPT counts the tokens of the samples that are there") {
  CHECK(tiny().counts(one_of_two()) == LossCounts{2});
}

TEST_CASE("a layer that reads a content without naming it is told so") {
  const MicroBatch batch;
  CHECK_THROWS_WITH(
      batch.content("tokens"),
      "[MicroBatch] the layers of the chunk do not say that they read \"tokens\"; add "
      "it to LayerSpec::reads");
  CHECK_THROWS_WITH(
      batch.loss("loss"),
      "[MicroBatch] there is no loss \"loss\" here: the last chunk has those that the "
      "family names");
}

}  // namespace stagecraft
