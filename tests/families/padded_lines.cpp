#include "tests/families/padded_lines.h"

#include <algorithm>

#include "kernels/base/error.h"
#include "kernels/ops/cross_entropy.h"
#include "kernels/ops/embedding.h"
#include "models/layers/attention.h"
#include "models/layers/layer_sequence.h"
#include "models/layers/mlp.h"
#include "models/layers/sublayer.h"
#include "tests/families/two_heads.h"

namespace stagecraft::test {
namespace {

constexpr std::int64_t kKinds = 4;
constexpr const char* kNextBytes = "next_bytes";
constexpr const char* kKindTargets = "kinds";
constexpr const char* kLineLengths = "line_lengths";

/// Rows attend to their whole line, and not to the padding behind it.
AttentionConfig attention_config(const ModelConfig& config) {
  return {.hidden = config.hidden,
          .heads = config.heads,
          .sequence = config.sequence,
          .dropout = config.dropout,
          .causal = false,
          .lengths = kLineLengths,
          .deviation = kInitialDeviation,
          .residual_deviation = residual_deviation(config)};
}

MlpConfig mlp_config(const ModelConfig& config) {
  return {.hidden = config.hidden,
          .inner = 4 * config.hidden,
          .sequence = config.sequence,
          .deviation = kInitialDeviation,
          .residual_deviation = residual_deviation(config)};
}

LayerSpec embedding_spec(const EmbeddingConfig& config, int shards) {
  return {.name = "embedding",
          .cut_before = false,
          .reads = {kTokens, kTokenOrder},
          .parameters = Embedding::parameters(config, shards),
          .cost = [config](const CostShape& shape) { return Embedding::cost(config, shape); },
          .make = [config](const LayerSetup& setup) -> std::unique_ptr<Layer> {
            return std::make_unique<Embedding>(config, setup);
          }};
}

LayerSpec block_spec(const ModelConfig& config, int shards, std::int64_t index) {
  const SublayerConfig pre_norm{
      .norm = {.hidden = config.hidden}, .sequence = config.sequence, .dropout = config.dropout};
  const std::string prefix = fmt::format("h.{}.", index);
  LayerSpec block =
      in_sequence(fmt::format("block {}", index),
                  {sublayer(pre_norm, {prefix + "ln_1", prefix + "attn.resid_dropout"},
                            attention(attention_config(config), prefix + "attn.", shards)),
                   sublayer(pre_norm, {prefix + "ln_2", prefix + "mlp.resid_dropout"},
                            mlp(mlp_config(config), prefix + "mlp.", shards))});
  block.cut_before = index > 0;
  return block;
}

LayerSpec heads_spec(const EmbeddingConfig& embedding, int shards) {
  const TwoHeadsConfig config{.embedding = embedding,
                              .tokens = {.parameter = "wte.weight",
                                         .use = "head",
                                         .classes = embedding.vocabulary,
                                         .content = kNextBytes,
                                         .loss = kNextByte},
                              .kinds = {.parameter = "kinds.weight",
                                        .use = "",
                                        .classes = kKinds,
                                        .content = kKindTargets,
                                        .loss = kLineKind}};
  return {.name = "heads",
          .cut_before = false,
          .reads = {kNextBytes, kKindTargets},
          .parameters = TwoHeads::parameters(config, shards),
          .cost = [config, shards](
                      const CostShape& shape) { return TwoHeads::cost(config, shards, shape); },
          .make = [config](const LayerSetup& setup) -> std::unique_ptr<Layer> {
            return std::make_unique<TwoHeads>(config, setup);
          }};
}

/// Calls `line` with the first row and the length of every sample.
template <typename Line>
void for_lines(const SampleTexts& texts, const Line& line) {
  const auto step = static_cast<std::size_t>(texts.sequence);
  for (std::size_t row = 0; row < texts.inputs.size(); row += step) {
    line(row, static_cast<std::size_t>(line_length(&texts.inputs[row], texts.sequence)));
  }
}

std::vector<std::int32_t> padded(const SampleTexts& texts) {
  std::vector<std::int32_t> tokens(texts.inputs.size(), 0);
  for_lines(texts, [&](std::size_t row, std::size_t length) {
    std::copy_n(&texts.inputs[row], length, &tokens[row]);
  });
  return tokens;
}

std::vector<std::int32_t> line_lengths(const SampleTexts& texts) {
  std::vector<std::int32_t> lengths;
  for_lines(texts, [&](std::size_t /*row*/, std::size_t length) {
    lengths.push_back(static_cast<std::int32_t>(length));
  });
  return lengths;
}

std::vector<std::int32_t> next_bytes(const SampleTexts& texts) {
  std::vector<std::int32_t> targets(texts.inputs.size(), kIgnoredTarget);
  for_lines(texts, [&](std::size_t row, std::size_t length) {
    std::copy_n(&texts.targets[row], length - 1, &targets[row]);
  });
  return targets;
}

/// In the first row of a sample, unless it is absent.
std::vector<std::int32_t> kinds(const SampleTexts& texts) {
  std::vector<std::int32_t> targets(texts.inputs.size(), kIgnoredTarget);
  for_lines(texts, [&](std::size_t row, std::size_t /*length*/) {
    if (texts.targets[row] != kIgnoredTarget) {
      targets[row] = texts.inputs[row] % static_cast<std::int32_t>(kKinds);
    }
  });
  return targets;
}

std::int64_t counted(const std::vector<std::int32_t>& targets) {
  return std::count_if(targets.begin(), targets.end(),
                       [](std::int32_t target) { return target != kIgnoredTarget; });
}

/// The longest line, rounded up to eight.
std::int64_t bucket(const Samples& samples) {
  constexpr std::size_t kRows = 8;
  std::size_t longest = 1;
  for_lines(samples.read(),
            [&](std::size_t /*row*/, std::size_t length) { longest = std::max(longest, length); });
  return std::min(static_cast<std::int64_t>((longest + kRows - 1) / kRows * kRows),
                  samples.sequence);
}

void check(const ModelConfig& config) {
  if (config.sequence < 2) {
    throw ConfigError("model.sequence", "a line of one byte has no next byte; give 2 or more");
  }
}

std::vector<HubKey> hub_keys(const ModelConfig& config) {
  return {{.name = "model_type", .values = {R"("padded_lines")"}, .absent = R"("padded_lines")"},
          {.name = "heads", .values = {fmt::format("{}", config.heads)}, .absent = "1"}};
}

ModelSpec make(const ModelConfig& config, int shards) {
  const EmbeddingConfig embedding{.vocabulary = config.vocab,
                                  .hidden = config.hidden,
                                  .sequence = config.sequence,
                                  .dropout = config.dropout,
                                  .deviation = kInitialDeviation};
  ModelSpec model;
  model.config = config;
  model.tensor_shards = shards;
  model.hidden = config.hidden;
  model.sequence = config.sequence;
  model.contents = {{.name = kTokens, .values = padded},
                    {.name = kTokenOrder,
                     .each = 2,
                     .for_backward = true,
                     .values = [](const SampleTexts& texts) { return token_order(padded(texts)); }},
                    {.name = kLineLengths, .of = ContentOf::samples, .values = line_lengths},
                    {.name = kNextBytes, .values = next_bytes},
                    {.name = kKindTargets, .values = kinds}};
  model.bucket = bucket;
  model.losses = {
      {.name = kNextByte,
       .count = [](const Samples& samples) { return counted(next_bytes(samples.read())); }},
      {.name = kLineKind,
       .count = [](const Samples& samples) { return counted(kinds(samples.read())); }}};
  model.layers.push_back(embedding_spec(embedding, shards));
  for (std::int64_t i = 0; i < config.layers; ++i) {
    model.layers.push_back(block_spec(config, shards, i));
  }
  model.layers.push_back(heads_spec(embedding, shards));
  return model;
}

}  // namespace

constinit const ModelFamily kPaddedLines{.name = "padded_lines",
                                         .title = "Padded lines",
                                         .presets = {},
                                         .check = check,
                                         .make = make,
                                         .hub_keys = hub_keys};

std::int64_t line_length(const std::int32_t* inputs, std::int64_t sequence) {
  const std::int32_t* end = std::find(inputs, inputs + sequence, '\n');
  return std::min<std::int64_t>(end - inputs + 1, sequence);
}

}  // namespace stagecraft::test
