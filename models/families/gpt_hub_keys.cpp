#include "models/families/gpt_hub_keys.h"

#include <fmt/format.h>

#include <cstdint>
#include <string>

namespace stagecraft {
namespace {

constexpr std::int64_t kOpenAiVocab = 50257;

std::string text(std::int64_t value) { return fmt::format("{}", value); }
/// JSON tells 0.0 from 0.
std::string text(double value) {
  std::string digits = fmt::format("{}", value);
  return digits.find_first_of(".e") == std::string::npos ? digits + ".0" : digits;
}

}  // namespace

std::vector<HubKey> gpt_hub_keys(const ModelConfig& config) {
  const std::string end_of_text = config.vocab >= kOpenAiVocab ? text(kOpenAiVocab - 1) : "null";
  return {
      {.name = "architectures", .values = {R"(["GPT2LMHeadModel"])"}},
      {.name = "model_type", .values = {R"("gpt2")"}, .absent = R"("gpt2")"},
      {.name = "n_layer", .values = {text(config.layers)}, .absent = "12"},
      {.name = "n_embd", .values = {text(config.hidden)}, .absent = "768"},
      {.name = "n_head", .values = {text(config.heads)}, .absent = "12"},
      {.name = "n_positions", .values = {text(config.sequence)}, .absent = "1024"},
      {.name = "vocab_size", .values = {text(config.vocab)}, .absent = text(kOpenAiVocab)},
      {.name = "n_inner", .values = {"null", text(4 * config.hidden)}, .absent = "null"},
      {.name = "activation_function",
       .values = {R"("gelu_new")", R"("gelu_pytorch_tanh")"},
       .absent = R"("gelu_new")"},
      {.name = "layer_norm_epsilon", .values = {"1e-05"}, .absent = "1e-05"},
      {.name = "initializer_range", .values = {"0.02"}},
      {.name = "embd_pdrop", .values = {text(config.dropout)}},
      {.name = "attn_pdrop", .values = {text(config.dropout)}},
      {.name = "resid_pdrop", .values = {text(config.dropout)}},
      {.name = "scale_attn_weights", .values = {"true"}, .absent = "true", .written = false},
      {.name = "scale_attn_by_inverse_layer_idx",
       .values = {"false"},
       .absent = "false",
       .written = false},
      {.name = "add_cross_attention", .values = {"false"}, .absent = "false", .written = false},
      {.name = "tie_word_embeddings", .values = {"true"}, .absent = "true"},
      {.name = "bos_token_id", .values = {end_of_text}},
      {.name = "eos_token_id", .values = {end_of_text}},
  };
}

}  // namespace stagecraft
