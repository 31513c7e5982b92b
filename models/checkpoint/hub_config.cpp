#include "models/checkpoint/hub_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "kernels/base/error.h"
#include "kernels/base/file.h"

namespace stagecraft {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kOpenAiVocab = 50257;
constexpr std::int64_t kOpenAiEndOfText = 50256;
constexpr std::size_t kLongestConfig = std::size_t{1} << 20;
constexpr double kEpsilon = 1e-5;

/// A key, its allowed values (the first is the value that this program writes), and the hub's
/// default for an absent key.
struct Rule {
  const char* key;
  std::vector<Json> allowed;
  Json absent;
};

std::vector<Rule> rules_of(const ModelConfig& config) {
  return {
      {"model_type", {"gpt2"}, "gpt2"},
      {"n_layer", {config.layers}, 12},
      {"n_embd", {config.hidden}, 768},
      {"n_head", {config.heads}, 12},
      {"n_positions", {config.sequence}, 1024},
      {"vocab_size", {config.vocab}, kOpenAiVocab},
      {"n_inner", {nullptr, 4 * config.hidden}, nullptr},
      {"activation_function", {"gelu_new", "gelu_pytorch_tanh"}, "gelu_new"},
      {"layer_norm_epsilon", {kEpsilon}, kEpsilon},
      {"scale_attn_weights", {true}, true},
      {"scale_attn_by_inverse_layer_idx", {false}, false},
      {"add_cross_attention", {false}, false},
      {"tie_word_embeddings", {true}, true},
  };
}

/// Lists and objects are shown by type only: printing them would recurse as deep as the file nests.
std::string shown(const Json& value) {
  return value.is_structured() ? fmt::format("an {}", value.type_name()) : value.dump();
}

}  // namespace

void check_hub_config(const std::filesystem::path& file, const ModelConfig& config) {
  const std::string text = read_file(file);
  require(text.size() <= kLongestConfig, file.string(), "{} bytes are too many for a config.json",
          text.size());
  const Json json = Json::parse(text, nullptr, false);
  require(json.is_object(), file.string(), "is not a JSON object");
  for (const Rule& rule : rules_of(config)) {
    const bool given = json.contains(rule.key);
    const Json& found = given ? json[rule.key] : rule.absent;
    const bool fits =
        std::find(rule.allowed.begin(), rule.allowed.end(), found) != rule.allowed.end();
    require(fits, file.string(), "{} is {}{}, but this model needs {}", rule.key, shown(found),
            given ? "" : " (by default)", rule.allowed.front().dump());
  }
}

std::string hub_config_json(const ModelConfig& config) {
  const Json end_of_text = config.vocab >= kOpenAiVocab ? Json(kOpenAiEndOfText) : Json(nullptr);
  nlohmann::ordered_json json;
  json["architectures"] = {"GPT2LMHeadModel"};
  json["model_type"] = "gpt2";
  json["n_layer"] = config.layers;
  json["n_embd"] = config.hidden;
  json["n_head"] = config.heads;
  json["n_positions"] = config.sequence;
  json["vocab_size"] = config.vocab;
  json["n_inner"] = nullptr;
  json["activation_function"] = "gelu_new";
  json["layer_norm_epsilon"] = kEpsilon;
  json["initializer_range"] = 0.02;
  json["embd_pdrop"] = config.dropout;
  json["attn_pdrop"] = config.dropout;
  json["resid_pdrop"] = config.dropout;
  json["tie_word_embeddings"] = true;
  json["bos_token_id"] = end_of_text;
  json["eos_token_id"] = end_of_text;
  return json.dump(2) + "\n";
}

}  // namespace stagecraft
