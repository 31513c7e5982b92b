#include "models/checkpoint/model_file.h"
#include "models/checkpoint/hub_config.h"
#include "models/checkpoint/initial_model.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "kernels/backends/make_stream.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/base/posix_file_system.h"
#include "models/families/gpt.h"
#include "models/families/model_config.h"
#include "tests/temporary_folder.h"
#include "tests/tensor_parallel/sharding/shard_runs.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;

/// The stream of all tensors in these tests.
Stream& stream() {
  static const std::unique_ptr<Stream> host = make_stream({}, {});
  return *host;
}

/// The vocabulary of 200 is padded to 256, 256, 384 and 512 rows for 1 to 4 shards.
ModelSpec model_of(int tensor_shards) {
  ModelConfig config;
  config.layers = 2;
  config.hidden = 24;
  config.heads = 12;
  config.sequence = 8;
  config.vocab = 200;
  return gpt(config, tensor_shards);
}

/// A value that is unique within the model.
float value_at(std::size_t parameter, std::int64_t element) {
  return static_cast<float>(parameter * 65536) + static_cast<float>(element);
}

constexpr float kPadding = std::numeric_limits<float>::quiet_NaN();

/// A rank's part of every parameter, filled with `fill`.
std::vector<Parameter> parts_of(const ModelSpec& model, int rank, int ranks, float fill) {
  std::vector<Parameter> parts;
  for (const ParameterSpec& spec : model.parameters()) {
    const Shape shape = local_shape(spec.shape, spec.shard, rank, ranks);
    Parameter part;
    part.spec = spec;
    part.boxes = shard_boxes(spec.shape, spec.shard, rank, ranks);
    part.weight = Tensor(stream().memory(), shape, DType::float32, MemoryLabel::weights);
    std::fill_n(part.weight.data<float>(), part.weight.elements(), fill);
    parts.push_back(std::move(part));
  }
  return parts;
}

/// Sets every element to value_at(); padding keeps its value.
void number(const std::vector<Parameter>& parts, int rank, int ranks) {
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const ParameterSpec& spec = parts[p].spec;
    for (const test::ShardRun& run : test::shard_runs(spec.shape, spec.shard, rank, ranks)) {
      for (std::int64_t i = 0; i < run.count; ++i) {
        parts[p].weight.data<float>()[run.local_begin + i] = value_at(p, run.global_begin + i);
      }
    }
  }
}

/// What a rank writes: only rank 0 owns replicated parameters.
void write_parts(const std::vector<Parameter>& parts, int rank, ModelFileWriter& file) {
  for (const Parameter& part : parts) {
    if (rank == 0 || !part.spec.shard.replicated()) {
      save_state(stream(), part, part.boxes, StateKind::weight, file);
    }
  }
  file.sync();
}

void write_model(const fs::path& folder, int ranks) {
  PosixFileSystem files;
  const ModelSpec model = model_of(ranks);
  const fs::path temporary = begin_model_files(files, model, folder);
  for (int rank = ranks - 1; rank >= 0; --rank) {
    std::vector<Parameter> parts = parts_of(model, rank, ranks, kPadding);
    number(parts, rank, ranks);
    ModelFileWriter file(files, model, temporary);
    write_parts(parts, rank, file);
  }
  finish_model_files(files, temporary);
}

/// One tensor of a test's file.
struct Content {
  NamedShape tensor;
  std::vector<float> values;
};

std::vector<Content> contents_of(const ModelSpec& model) {
  std::vector<Content> contents;
  for (const ParameterSpec& spec : model.parameters()) {
    std::vector<float> values(static_cast<std::size_t>(elements_of(spec.shape)));
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = value_at(contents.size(), static_cast<std::int64_t>(i));
    }
    contents.push_back({{spec.name, spec.shape}, std::move(values)});
  }
  return contents;
}

std::string bytes_of(const std::vector<Content>& contents) {
  std::vector<NamedShape> tensors;
  for (const Content& content : contents) {
    tensors.push_back(content.tensor);
  }
  std::string bytes = make_safetensors_header(tensors).bytes;
  for (const Content& content : contents) {
    bytes.append(reinterpret_cast<const char*>(content.values.data()), content.values.size() * 4);
  }
  return bytes;
}

/// Writes `weights` as model.safetensors, opens the folder, and returns the ConfigError's text.
std::string failure_of(const fs::path& folder, const std::string& weights) {
  write_file(folder / "model.safetensors", weights);
  try {
    const InitialModel opened(model_of(1), folder);
  } catch (const ConfigError& error) {
    CHECK(error.keys() == "model.init_from");
    return error.text();
  }
  return "no error";
}

std::string failure_of(const fs::path& folder, const std::vector<Content>& contents) {
  return failure_of(folder, bytes_of(contents));
}

/// Reads every part with `ranks` ranks, and checks each element and that padding is zero.
void check_reads(const fs::path& folder, int ranks) {
  const ModelSpec model = model_of(ranks);
  const InitialModel initial(model, folder);
  for (int rank = 0; rank < ranks; ++rank) {
    const std::vector<Parameter> expected = parts_of(model, rank, ranks, 0);
    number(expected, rank, ranks);
    const std::vector<Parameter> found = parts_of(model, rank, ranks, kPadding);
    for (std::size_t p = 0; p < found.size(); ++p) {
      CAPTURE(ranks, rank, found[p].spec.name);
      load_state(stream(), found[p], StateKind::weight, initial);
      CHECK(std::equal(found[p].weight.data<float>(),
                       found[p].weight.data<float>() + found[p].weight.elements(),
                       expected[p].weight.data<float>()));
    }
  }
}

TEST_CASE("every number of tensor ranks writes the same bytes, without padding") {
  const TemporaryFolder folder;
  const std::string expected = bytes_of(contents_of(model_of(1)));
  for (const int ranks : {1, 2, 3, 4}) {
    CAPTURE(ranks);
    write_model(folder.path() / "run" / "model", ranks);
    CHECK((read_file(folder.path() / "run" / "model" / "model.safetensors") == expected));
  }
}

TEST_CASE("a model can be read with any number of ranks, and padding is zero") {
  const TemporaryFolder folder;
  write_model(folder.path(), 2);
  for (const int ranks : {1, 2, 3, 4}) {
    check_reads(folder.path(), ranks);
  }
}

TEST_CASE("an unfinished model does not change the earlier one") {
  const TemporaryFolder folder;
  write_model(folder.path(), 1);
  PosixFileSystem files;
  const ModelSpec model = model_of(1);
  const std::string before = read_file(folder.path() / "model.safetensors");
  const fs::path temporary = begin_model_files(files, model, folder.path());
  ModelFileWriter file(files, model, temporary);
  write_parts(parts_of(model, 0, 1, 5), 0, file);
  CHECK((read_file(folder.path() / "model.safetensors") == before));
  finish_model_files(files, temporary);
  CHECK((read_file(folder.path() / "model.safetensors") != before));
  CHECK(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()) == 2);
}

TEST_CASE("an error in writing a model names the path") {
  const TemporaryFolder folder;
  write_file(folder.path() / "file", "");
  PosixFileSystem files;
  const ModelSpec model = model_of(1);
  CHECK_THROWS_WITH(begin_model_files(files, model, folder.path() / "file" / "model"),
                    Contains((folder.path() / "file" / "model").string()));
  const fs::path temporary = begin_model_files(files, model, folder.path());
  ModelFileWriter file(files, model, temporary);
  std::vector<Parameter> parts = parts_of(model, 0, 1, 5);
  CHECK_THROWS_WITH(file.write({parts[0].spec, StateKind::first_moment, {}}, {}),
                    Contains("wte.weight is not a weight of the model"));
  parts[0].spec.name = "other";
  CHECK_THROWS_WITH(write_parts(parts, 0, file), Contains("other is not a weight of the model"));
  fs::resize_file(temporary, 100);
  CHECK_THROWS_WITH(write_parts(parts_of(model, 0, 1, 5), 0, file),
                    Contains("the file has 100 bytes, but the model needs"));
}

TEST_CASE("prefixed names, mask buffers and a copied head are accepted") {
  const TemporaryFolder folder;
  std::vector<Content> contents = contents_of(model_of(1));
  REQUIRE(contents[0].tensor.name == "wte.weight");
  contents.push_back({{"lm_head.weight", {200, 24}}, contents[0].values});
  for (std::size_t i = 0; i + 1 < contents.size(); ++i) {
    contents[i].tensor.name.insert(0, "transformer.");
  }
  contents.push_back({{"transformer.h.0.attn.bias", {1, 1, 8, 8}}, std::vector<float>(64)});
  contents.push_back({{"transformer.h.1.attn.masked_bias", {}}, {-1e4F}});
  CHECK(failure_of(folder.path(), contents) == "no error");
  check_reads(folder.path(), 3);
}

TEST_CASE("weights of another model are errors with file, tensor and shapes") {
  const TemporaryFolder folder;
  const fs::path& root = folder.path();
  const std::string file = "[" + (root / "model.safetensors").string() + "] ";
  const std::vector<Content> good = contents_of(model_of(1));
  REQUIRE(failure_of(root, good) == "no error");

  std::vector<Content> contents = good;
  contents.erase(contents.begin() + 2);
  CHECK(failure_of(root, contents) ==
        file +
            "tensor h.0.ln_1.weight [24] is missing; give the sizes of [model] that the folder "
            "has");

  contents = good;
  contents[2].tensor.shape = {2, 12};
  CHECK(failure_of(root, contents) ==
        file +
            "tensor h.0.ln_1.weight is [2, 12], but the model needs [24]; give the sizes of "
            "[model] that the folder has");

  contents = good;
  contents.push_back({{"h.2.ln_1.weight", {24}}, std::vector<float>(24)});
  CHECK(failure_of(root, contents) ==
        file +
            "tensor h.2.ln_1.weight [24] belongs to no parameter of the model; give the family "
            "and the sizes of [model] that the folder has");

  contents = good;
  contents.push_back({{"transformer.wpe.weight", {8, 24}}, std::vector<float>(192)});
  CHECK_THAT(failure_of(root, contents), Contains("tensor wpe.weight occurs twice"));

  contents = good;
  contents.push_back({{"lm_head.weight", {200, 24}}, good[0].values});
  contents.back().values[100] += 1;
  CHECK_THAT(failure_of(root, contents), Contains("tensor lm_head.weight differs from wte.weight"));

  std::string bytes = bytes_of(good);
  bytes.replace(bytes.find("F32"), 3, "I32");
  CHECK(failure_of(root, bytes) ==
        file +
            "tensor wte.weight is I32; only F32, F16 and BF16 can be read: save the model as "
            "one of them");
  bytes.pop_back();
  CHECK_THAT(failure_of(root, bytes), Contains("the file is truncated"));
}

TEST_CASE("a folder without a model is an error") {
  const TemporaryFolder folder;
  const auto open = [](const fs::path& path) { const InitialModel opened(model_of(1), path); };
  CHECK_THROWS_WITH(open(folder.path() / "no"), Contains("/no] is not a directory"));
  CHECK_THROWS_WITH(open(folder.path()),
                    Contains("holds neither model.safetensors nor model.safetensors.index.json"));
}

TEST_CASE("config.json must describe the same function") {
  const TemporaryFolder folder;
  const std::string weights = bytes_of(contents_of(model_of(1)));
  const std::string good = hub_config_json(model_of(1).config);
  const auto with = [&](const std::string& from, const std::string& to) {
    REQUIRE_THAT(good, Contains(from));
    std::string json = good;
    write_file(folder.path() / "config.json", json.replace(json.find(from), from.size(), to));
    return failure_of(folder.path(), weights);
  };
  CHECK(with("gpt2", "gpt2") == "no error");
  CHECK(with("\"n_head\": 12", "\"n_head\": 8") ==
        "[" + (folder.path() / "config.json").string() + "] n_head is 8, but this model needs 12");
  CHECK(with("\"n_head\": 12,", "") == "no error");  // the hub's default
  CHECK_THAT(with("\"n_layer\": 2,", ""), Contains("n_layer is 12 (by default), but this model "
                                                   "needs 2"));
  CHECK_THAT(with("gelu_new", "relu"), Contains("activation_function is \"relu\""));
  CHECK(with("gelu_new", "gelu_pytorch_tanh") == "no error");
  CHECK_THAT(with("1e-05", "1e-06"), Contains("layer_norm_epsilon is 1e-06"));
  CHECK_THAT(with("\"n_inner\": null", "\"n_inner\": 48"), Contains("n_inner is 48"));
  CHECK(with("\"n_inner\": null", "\"n_inner\": 96") == "no error");
  CHECK_THAT(with("\"model_type\": \"gpt2\"", "\"model_type\": \"bert\""), Contains("model_type"));
  CHECK_THAT(with("\"n_embd\": 24", "\"n_embd\": [24]"), Contains("n_embd is an array"));
  CHECK_THAT(with("{", "["), Contains("is not a JSON object"));
  CHECK_THAT(with("\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false"),
             Contains("tie_word_embeddings is false, but this model needs true"));
}

TEST_CASE("a model saved by transformers can be read") {
  ModelConfig config;
  config.layers = 3;
  config.hidden = 48;
  config.heads = 6;
  config.sequence = 32;
  config.vocab = 256;
  const ModelSpec model = gpt(config, 2);
  const InitialModel initial(model, "tests/fixtures/gpt2_tiny");
  for (const Parameter& part : parts_of(model, 1, 2, kPadding)) {
    CAPTURE(part.spec.name);
    load_state(stream(), part, StateKind::weight, initial);
    const float* weight = part.weight.data<float>();
    CHECK(std::none_of(weight, weight + part.weight.elements(),
                       [](float value) { return std::isnan(value); }));
  }
}

}  // namespace
}  // namespace stagecraft
