// Models that other programs saved: every type, layout and number of files that is read.
#include "models/checkpoint/hub_model.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/base/posix_file_system.h"
#include "models/checkpoint/model_file.h"
#include "models/families/gpt.h"
#include "models/parameters/drawn_weights.h"
#include "tests/models/checkpoint/bert_names.h"
#include "tests/models/checkpoint/stored_weights.h"
#include "tests/models/parameters/memory_state.h"
#include "tests/temporary_folder.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using namespace test;

const fs::path kFixtures = "tests/fixtures/hub_weights";

ModelSpec gpt2(int tensor_shards) {
  ModelConfig config;
  config.layers = 2;
  config.hidden = 24;
  config.heads = 4;
  config.sequence = 8;
  config.vocab = 40;
  return gpt(config, tensor_shards);
}

std::vector<float> values_of(const StateReader& reader, const ParameterSpec& spec, const Box& box) {
  std::vector<float> values(static_cast<std::size_t>(elements_of(box.shape())), -1);
  reader.read({spec, StateKind::weight, box}, values);
  return values;
}

/// The elements of a box of a whole tensor.
std::vector<float> part_of(const std::vector<float>& whole, const Shape& shape, const Box& box) {
  std::vector<float> part;
  for (const ElementRun& run : runs_of(box, shape)) {
    const auto begin = whole.begin() + static_cast<std::ptrdiff_t>(run.begin);
    part.insert(part.end(), begin, begin + static_cast<std::ptrdiff_t>(run.count));
  }
  return part;
}

/// Checks what each rank of `ranks` reads of every parameter.
void check_rank_reads(const ModelSpec& model, const StateReader& reader,
                      const std::map<std::string, std::vector<float>>& expected, int ranks) {
  for (const ParameterSpec& spec : model.parameters()) {
    for (int rank = 0; rank < ranks; ++rank) {
      for (const ShardBox& box : shard_boxes(spec.shape, spec.shard, rank, ranks)) {
        CAPTURE(spec.name, rank, ranks);
        CHECK((values_of(reader, spec, box.global) ==
               part_of(expected.at(spec.name), spec.shape, box.global)));
      }
    }
  }
}

template <typename Family>
void check_fixture(const char* name, Family family) {
  const fs::path folder = kFixtures / name;
  const auto expected = floats_of(folder / "expected.safetensors");
  for (const int ranks : {1, 2, 4}) {
    CAPTURE(name);
    const ModelSpec model = family(ranks);
    check_rank_reads(model, HubModel(model, folder), expected, ranks);
  }
}

TEST_CASE("a GPT-2 of the hub is read in every type, with and without prefix, and from shards") {
  check_fixture("gpt2_float16", gpt2);
  check_fixture("gpt2_bfloat16", gpt2);
  check_fixture("gpt2_sharded", gpt2);
}

TEST_CASE("a family joins and transposes its files' tensors, with and without a tied copy") {
  check_fixture("bert", bert_with_names);
  check_fixture("bert_sharded", bert_with_names);
}

TEST_CASE("a model is written as its family names and lays out the files") {
  const TemporaryFolder folder;
  const HubModel original(bert_with_names(1), kFixtures / "bert");
  PosixFileSystem files;
  for (const int ranks : {1, 2}) {
    const ModelSpec model = bert_with_names(ranks);
    const fs::path temporary = begin_model_files(files, model, folder.path());
    ModelFileWriter writer(files, model, temporary);
    for (const ParameterSpec& spec : model.parameters()) {
      for (int rank = 0; rank < (spec.shard.replicated() ? 1 : ranks); ++rank) {
        for (const ShardBox& box : shard_boxes(spec.shape, spec.shard, rank, ranks)) {
          writer.write({spec, StateKind::weight, box.global},
                       values_of(original, spec, box.global));
        }
      }
    }
    writer.sync();
    finish_model_files(files, temporary);
    auto expected = floats_of(kFixtures / "bert" / "model.safetensors");
    std::erase_if(expected, [](const auto& tensor) {
      return tensor.first.starts_with("cls.predictions.decoder.");
    });
    CHECK((floats_of(folder.path() / "model.safetensors") == expected));
  }
}

/// The same model, whose files have other names.
ModelSpec renamed_gpt2() {
  ModelSpec model = gpt2(1);
  model.weight_names = {};
  for (const ParameterSpec& spec : model.parameters()) {
    model.weight_names.tensors.push_back(
        {"other." + spec.name, spec.name, {}, spec.shape.size() == 2});
  }
  return model;
}

TEST_CASE("no drawn weight moves when a family renames its files") {
  const TemporaryFolder folder;
  const DrawnWeights drawn(3, 1);
  PosixFileSystem files;
  const ModelSpec model = renamed_gpt2();
  const fs::path temporary = begin_model_files(files, model, folder.path());
  ModelFileWriter writer(files, model, temporary);
  for (const ParameterSpec& spec : model.parameters()) {
    const Box whole = whole_box(spec.shape);
    writer.write({spec, StateKind::weight, whole}, values_of(drawn, spec, whole));
  }
  writer.sync();
  finish_model_files(files, temporary);
  CHECK(floats_of(folder.path() / "model.safetensors").contains("other.wte.weight"));
  const HubModel read(model, folder.path());
  for (const ParameterSpec& spec : gpt2(1).parameters()) {
    CAPTURE(spec.name);
    const Box whole = whole_box(spec.shape);
    CHECK((values_of(read, spec, whole) == values_of(drawn, spec, whole)));
  }
}

TEST_CASE("a read touches no more than the box, however large the tensor is") {
  const TemporaryFolder folder;
  constexpr std::int64_t kRows = std::int64_t{1} << 22;
  constexpr std::int64_t kColumns = std::int64_t{1} << 12;  // 32 GiB
  const std::string header =
      fmt::format(R"({{"t":{{"dtype":"F16","shape":[{},{}],"data_offsets":[0,{}]}}}})", kColumns,
                  kRows, 2 * kRows * kColumns);
  const fs::path file = folder.path() / "model.safetensors";
  const std::uint64_t length = header.size();
  write_file(file, std::string(reinterpret_cast<const char*>(&length), 8) + header);
  fs::resize_file(file, 8 + header.size() + 2 * kRows * kColumns);
  const ParameterSpec spec{.name = "p", .shape = {kRows, kColumns}, .shard = {}, .initial = {}};
  ModelSpec model;
  model.layers.push_back({.name = "layer", .parameters = {{spec, ""}}, .cost = {}, .make = {}});
  model.weight_names.tensors = {{"t", "p", {}, true}};
  const HubModel reader(model, folder.path());
  const Box box{{1000, 2000}, {1010, 2020}};
  CHECK((values_of(reader, spec, box) == std::vector<float>(200, 0)));
}

/// A model of two vectors in two files.
class ShardedFolder {
 public:
  ShardedFolder() { write("[]"); }
  const fs::path& path() const { return folder_.path(); }

  static ModelSpec model() {
    ModelSpec model;
    for (const char* name : {"a", "b"}) {
      const ParameterSpec spec{.name = name, .shape = {2}, .shard = {}, .initial = {}};
      model.layers.push_back({.name = name, .parameters = {{spec, ""}}, .cost = {}, .make = {}});
    }
    model.weight_names.prefix = "model.";
    return model;
  }

  std::string failure(const std::vector<RawTensor>& first, const std::vector<RawTensor>& second,
                      const std::string& index) {
    write_file(path() / "1.safetensors", safetensors_of(first));
    write_file(path() / "2.safetensors", safetensors_of(second));
    write(index);
    try {
      const HubModel opened(model(), path());
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

 private:
  void write(const std::string& map) {
    write_file(path() / "model.safetensors.index.json", R"({"weight_map":)" + map + "}");
  }
  TemporaryFolder folder_;
};

RawTensor pair(const std::string& name) { return {name, "F32", {2}, bytes_of({1, 2})}; }

TEST_CASE("files that are not those of their index are refused by file and tensor") {
  ShardedFolder folder;
  const std::string root = folder.path().string();
  const std::string index = "[" + root + "/model.safetensors.index.json] ";
  const std::string good = R"({"a":"1.safetensors","b":"2.safetensors"})";
  CHECK(folder.failure({pair("a")}, {pair("b")}, good) == "no error");
  CHECK(folder.failure({pair("a")}, {}, good) ==
        index + "tensor b is said to lie in " + root +
            "/2.safetensors, but that file does not hold it; save the model again");
  CHECK_THAT(folder.failure({pair("b")}, {pair("a")}, good),
             Contains("tensor a is said to lie in"));
  CHECK(folder.failure({pair("a"), pair("c")}, {pair("b")}, good) ==
        "[" + root + "/1.safetensors] tensor c is not listed in " + root +
            "/model.safetensors.index.json; save the model again");
  CHECK_THAT(folder.failure({pair("a")}, {pair("a"), pair("b")}, good),
             Contains("2.safetensors] tensor a lies in " + root + "/1.safetensors too"));
  CHECK_THAT(folder.failure({pair("a")}, {pair("b")}, R"({"a":"1.safetensors","b":"3"})"),
             Contains(index + root + "/3 is listed, but it is not there; copy all files"));
  CHECK_THAT(folder.failure({pair("a"), pair("model.a")}, {pair("b")},
                            R"({"a":"1.safetensors","model.a":"1.safetensors",)"
                            R"("b":"2.safetensors"})"),
             Contains("tensor a occurs twice, with and without \"model.\""));
  CHECK_THAT(folder.failure({pair("a")}, {{"b", "F64", {1}, std::string(8, '\0')}}, good),
             Contains("2.safetensors] tensor b is [1], but the model needs [2]"));
  CHECK_THAT(folder.failure({pair("a")}, {{"b", "F64", {2}, std::string(16, '\0')}}, good),
             Contains("2.safetensors] tensor b is F64; only F32, F16 and BF16 can be read"));
  CHECK_THAT(folder.failure({}, {pair("b")}, R"({"b":"2.safetensors"})"),
             Contains(index + "tensor a [2] is missing"));
}

TEST_CASE("one file goes before an index") {
  ShardedFolder folder;
  write_file(folder.path() / "model.safetensors", safetensors_of({pair("a"), pair("model.b")}));
  CHECK(folder.failure({}, {}, "[]") == "no error");
}

}  // namespace
}  // namespace stagecraft
