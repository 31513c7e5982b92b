#include "tests/models/checkpoint/bert_names.h"

#include <utility>

namespace stagecraft::test {
namespace {

constexpr std::int64_t kLayers = 2;
constexpr std::int64_t kHidden = 24;
constexpr std::int64_t kMlp = 40;
constexpr std::int64_t kVocabulary = 40;
constexpr std::int64_t kPositions = 8;

/// Collects a model's parameters with the tensors that hold them.
class Builder {
 public:
  explicit Builder(int shards) : shards_(shards) {
    model_.tensor_shards = shards;
    model_.weight_names.prefix = "bert.";
  }
  ModelSpec take() { return std::move(model_); }

  void parameter(const std::string& name, const Shape& shape, const ShardSpec& shard = {}) {
    model_.layers.push_back(
        {.name = name, .parameters = {{{name, shape, shard, {}}, ""}}, .cost = {}, .make = {}});
  }
  void norm(const std::string& name) {
    parameter(name + ".weight", {kHidden});
    parameter(name + ".bias", {kHidden});
  }
  /// A weight [in, out] that the files have as [out, in].
  void linear(const std::string& name, std::int64_t in, std::int64_t out,
              const ShardSpec& weight = {}, const ShardSpec& bias = {}) {
    parameter(name + ".weight", {in, out}, weight);
    parameter(name + ".bias", {out}, bias);
    model_.weight_names.tensors.push_back({name + ".weight", name + ".weight", {}, true});
  }
  /// Query, key and value as columns of one weight.
  void joined(const std::string& name) {
    parameter(name + "qkv.weight", {kHidden, 3 * kHidden},
              {1, shards_, {kHidden, kHidden, kHidden}});
    parameter(name + "qkv.bias", {3 * kHidden}, {0, shards_, {kHidden, kHidden, kHidden}});
    ElementRange columns{0, kHidden};
    for (const char* part : {"query", "key", "value"}) {
      auto& tensors = model_.weight_names.tensors;
      tensors.push_back({name + part + ".weight", name + "qkv.weight", columns, true});
      tensors.push_back({name + part + ".bias", name + "qkv.bias", columns});
      columns = {columns.end, columns.end + kHidden};
    }
  }
  void block(const std::string& name) {
    joined(name + "attention.self.");
    linear(name + "attention.output.dense", kHidden, kHidden, {0, shards_});
    norm(name + "attention.output.LayerNorm");
    linear(name + "intermediate.dense", kHidden, kMlp, {1, shards_}, {0, shards_});
    linear(name + "output.dense", kMlp, kHidden, {0, shards_});
    norm(name + "output.LayerNorm");
  }
  WeightNames& names() { return model_.weight_names; }

 private:
  ModelSpec model_;
  int shards_;
};

}  // namespace

ModelSpec bert_with_names(int tensor_shards) {
  Builder builder(tensor_shards);
  builder.parameter("bert.embeddings.word_embeddings.weight", {kVocabulary, kHidden},
                    {0, tensor_shards});
  builder.parameter("bert.embeddings.position_embeddings.weight", {kPositions, kHidden});
  builder.parameter("bert.embeddings.token_type_embeddings.weight", {2, kHidden});
  builder.norm("bert.embeddings.LayerNorm");
  for (std::int64_t i = 0; i < kLayers; ++i) {
    builder.block(fmt::format("bert.encoder.layer.{}.", i));
  }
  builder.linear("bert.pooler.dense", kHidden, kHidden);
  builder.parameter("cls.predictions.bias", {kVocabulary}, {0, tensor_shards});
  builder.linear("cls.predictions.transform.dense", kHidden, kHidden);
  builder.norm("cls.predictions.transform.LayerNorm");
  builder.linear("cls.seq_relationship", kHidden, 2);
  builder.names().copies = {
      {"cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"},
      {"cls.predictions.decoder.bias", "cls.predictions.bias"}};
  builder.names().ignored = {"bert.embeddings.position_ids"};
  return builder.take();
}

}  // namespace stagecraft::test
