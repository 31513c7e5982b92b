#include "launch/config/toml_reader.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/launch/example_config.h"
#include "tests/temporary_folder.h"

using namespace stagecraft;

namespace {

std::string message_for(const std::string& text) {
  return message_of([&] { parse_config(text, "f.toml", {}); });
}

std::string message_for_set(const std::string& override) {
  return message_of([&] { example({override}); });
}

std::string without(const std::string& line) {
  std::string text = kExample;
  text.erase(text.find(line), line.size() + 1);
  return text;
}

}  // namespace

TEST_CASE("a file fills the settings and their locations") {
  const ConfigFile config = example();
  CHECK(config.settings.model.layers == 4);
  CHECK(config.settings.parallel.pipeline == 2);
  CHECK(config.settings.data.train == std::vector<std::string>{"/usr/share/common-licenses"});
  CHECK(config.locations.at("model.hidden").text == "example.toml:4:1");
  CHECK(config.locations.at("model.hidden").in_file);
  CHECK_FALSE(config.has("train.beta1"));
}

TEST_CASE("inline tables and dotted keys have locations too") {
  const ConfigFile config =
      parse_config(std::string("run = {mode = \"threads\"}\n") + kExample, "f.toml", {});
  CHECK(config.locations.at("run.mode").text == "f.toml:1:8");
  CHECK(message_for("train.step = 1\n") ==
        "f.toml:1:7: unknown key train.step; the nearest is train.steps");
}

TEST_CASE("syntax errors have their line and column") {
  CHECK_THAT(message_for("[model]\nlayers = = 4\n"), Catch::StartsWith("f.toml:2:10: "));
  CHECK_THAT(message_for("[model]\nlayers = 4\nlayers = 5\n"), Catch::StartsWith("f.toml:3:"));
  CHECK_THAT(message_for("[model\n"), Catch::StartsWith("f.toml:1:"));
  CHECK_THAT(message_for("[model]\nlayers = 99999999999999999999\n"),
             Catch::StartsWith("f.toml:2:"));
}

TEST_CASE("errors for unknown tables and keys outside tables name the nearest") {
  CHECK(message_for("\n[modle]\n") == "f.toml:2:2: unknown table [modle]; the nearest is [model]");
  CHECK(message_for("layers = 4\n") ==
        "f.toml:1:1: unknown key layers outside of all tables; the nearest is model.layers");
  CHECK_THAT(message_for("model = 3\n"), Catch::StartsWith("f.toml:1:1: model must be a table"));
  CHECK_THAT(message_for("[model.gpt]\n"), Catch::StartsWith("f.toml:1:8: unknown key model.gpt"));
  CHECK_THAT(message_for("[[model]]\n"), Catch::StartsWith("f.toml:1:3: model must be a table"));
}

TEST_CASE("the first mistake in the file is reported") {
  CHECK_THAT(message_for("[train]\nsteps = 0\n[model]\nlayers = 0\n"),
             Catch::StartsWith("f.toml:2:1: train.steps"));
}

TEST_CASE("a missing key is reported at its table, with what to add") {
  CHECK(message_of([&] { parse_config(without("heads = 4"), "f.toml", {}); }) ==
        "f.toml:1:2: model.heads is missing; add heads to [model]: an integer from 1 to 16777216, "
        "or give model.preset");
  CHECK_THAT(message_for(without("steps = 10")), Catch::StartsWith("f.toml:11:2: train.steps"));
  CHECK_THAT(message_for(""), Catch::StartsWith("f.toml: model.family is missing"));
}

TEST_CASE("a preset replaces the sizes") {
  const std::string text = without("layers = 4");
  CHECK_NOTHROW(parse_config(text, "f.toml", {"model.preset=gpt2-124m"}));
}

TEST_CASE("--set overrides the file; quotes may be left out") {
  const ConfigFile config =
      example({"model.layers=8", "train.learning_rate=1e-3", "train.clip=2", "run.mode=threads",
               "run.directory=2024", "run.directory=a b", "parallel.partition=[2, 6]"});
  CHECK(config.settings.model.layers == 8);
  CHECK(config.settings.optimizer.learning_rate == 1e-3);
  CHECK(config.settings.optimizer.clip == 2);
  CHECK(config.settings.session.directory == "a b");
  CHECK(config.settings.parallel.partition == std::vector<std::int64_t>{2, 6});
  CHECK(config.locations.at("model.layers").text == "--set model.layers=8");
  CHECK(example({"parallel.schedule=1f1b"}).settings.parallel.schedule == "1f1b");
  CHECK(example({"parallel.schedule=\"1f1b\""}).settings.parallel.schedule == "1f1b");
  CHECK(example({"run.directory=2024"}).settings.session.directory == "2024");
  CHECK(example({"parallel.partition=auto"}).settings.parallel.partition.empty());
  CHECK(example({"trace.file="}).settings.session.trace_file == "");
}

TEST_CASE("errors of --set begin with it") {
  CHECK(message_for_set("train.step=3") ==
        "--set train.step=3: unknown key train.step; the nearest is train.steps");
  CHECK(message_for_set("train.steps") == "--set train.steps: write --set section.key=value");
  CHECK_THAT(message_for_set("train.steps=0"), Catch::StartsWith("--set train.steps=0: "));
  CHECK_THAT(message_for_set("train.steps="), Catch::StartsWith("--set train.steps=: "));
  CHECK_THAT(message_for_set("train.steps=1\nfoo = 3"), Catch::Contains("must be an integer"));
  CHECK_THAT(message_for_set("data.train=/tmp"), Catch::Contains("must be a list"));
}

TEST_CASE("errors of inner rooms begin with the location of the first key that the file has") {
  const ConfigFile config = example({"train.global_batch=7"});
  const auto text = [&](const std::string& keys) {
    return std::string(located(config, ConfigError(keys, "nonsense")).what());
  };
  CHECK(text("model.layers") == "example.toml:3:1: model.layers: nonsense");
  CHECK(text("train.beta1 model.heads model.layers") ==
        "example.toml:5:1: nonsense (model.heads: example.toml:5:1, model.layers: "
        "example.toml:3:1)");
  CHECK(text("train.global_batch train.micro_batch") ==
        "example.toml:14:1: nonsense (train.micro_batch: example.toml:14:1, train.global_batch: "
        "--set train.global_batch=7)");
  CHECK(text("train.global_batch") == "--set train.global_batch=7: train.global_batch: nonsense");
  CHECK(text("train.beta1") == "example.toml: train.beta1: nonsense");
}

TEST_CASE("the error for a file that cannot be read has its name") {
  const TemporaryFolder folder;
  const auto text = [&](const std::filesystem::path& path) {
    return message_of([&] { read_config(path, {}); });
  };
  const std::filesystem::path missing = folder.path() / "missing.toml";
  CHECK_THAT(text(missing), Catch::StartsWith(missing.string() + ": cannot read"));
  CHECK_THAT(text(folder.path()), Catch::StartsWith(folder.path().string() + ": cannot read"));
  std::ofstream(folder.path() / "binary.toml") << std::string("\x80\xff\0", 3);
  CHECK_THAT(text(folder.path() / "binary.toml"),
             Catch::StartsWith((folder.path() / "binary.toml").string() + ":1:"));
}
