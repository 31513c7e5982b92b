#include "models/data/token_dataset.h"

#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "tests/temporary_folder.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;

/// The inputs of all samples, then the last target.
std::string text_of(const TokenDataset& data) {
  const auto length = static_cast<std::size_t>(data.sequence());
  std::vector<std::int32_t> inputs(length);
  std::vector<std::int32_t> targets(length);
  std::string text;
  for (std::int64_t sample = 0; sample < data.samples(); ++sample) {
    data.read(sample, inputs, targets);
    CHECK(std::equal(inputs.begin() + 1, inputs.end(), targets.begin()));
    text.append(inputs.begin(), inputs.end());
  }
  text += static_cast<char>(targets.back());
  return text;
}

DataConfig config_of(std::vector<std::string> train, double fraction = 0) {
  DataConfig config;
  config.train = std::move(train);
  config.validation_fraction = fraction;
  return config;
}

/// "KEY: TEXT" of the ConfigError that load_text throws.
std::string failure_of(const DataConfig& config, std::int64_t sequence = 4) {
  try {
    load_text(config, sequence);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

TEST_CASE("sample k is the T + 1 tokens from token k * T") {
  const TokenDataset data({'a', 'b', 'c', 'd', 'e', 'f', 'g', 255}, 3);
  CHECK(data.tokens() == 8);
  CHECK(data.samples() == 2);
  std::vector<std::int32_t> inputs(3);
  std::vector<std::int32_t> targets(3);
  data.read(1, inputs, targets);
  CHECK(inputs == std::vector<std::int32_t>{'d', 'e', 'f'});
  CHECK(targets == std::vector<std::int32_t>{'e', 'f', 'g'});
  CHECK_THROWS_WITH(data.read(2, inputs, targets), Contains("sample 2 is outside of 0 .. 2 - 1"));
  CHECK(TokenDataset({'a', 'b', 'c', 'd', 'e', 'f', 255}, 3).samples() == 2);
  CHECK(TokenDataset({'a', 'b', 'c', 'd', 'e', 'f'}, 3).samples() == 1);
  CHECK(TokenDataset({'a'}, 1).samples() == 0);
  CHECK(TokenDataset({}, 1).samples() == 0);
  const TokenDataset last({1, 255}, 1);
  last.read(0, std::span(inputs).first(1), std::span(targets).first(1));
  CHECK(targets[0] == 255);  // bytes are unsigned
}

TEST_CASE("shuffled order is a different permutation in every epoch, a function of the seed") {
  const std::int64_t samples = GENERATE(1, 2, 37, 1000);
  const auto epoch_of = [&](std::uint64_t seed, std::int64_t epoch) {
    std::vector<std::int64_t> order;
    for (std::int64_t i = 0; i < samples; ++i) {
      order.push_back(sample_at(SampleOrder::shuffled, seed, samples, epoch * samples + i));
    }
    return order;
  };
  std::vector<std::int64_t> all(static_cast<std::size_t>(samples));
  std::iota(all.begin(), all.end(), 0);
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    CHECK(std::is_permutation(all.begin(), all.end(), epoch_of(7, epoch).begin()));
  }
  CHECK(epoch_of(7, 1) == epoch_of(7, 1));
  if (samples >= 37) {
    CHECK(epoch_of(7, 0) != all);
    CHECK(epoch_of(7, 0) != epoch_of(7, 1));
    CHECK(epoch_of(7, 0) != epoch_of(8, 0));
  }
}

TEST_CASE("sequential order starts again after the last sample") {
  CHECK(sample_at(SampleOrder::sequential, 1, 5, 4) == 4);
  CHECK(sample_at(SampleOrder::sequential, 1, 5, 5) == 0);
  CHECK(sample_at(SampleOrder::sequential, 1, 5, 13) == 3);
}

TEST_CASE("files are concatenated, and a directory stands for its regular files by name") {
  const TemporaryFolder folder;
  const fs::path texts = folder.path() / "texts";
  fs::create_directories(texts / "c-inner");
  write_file(folder.path() / "first", "01");
  write_file(texts / "b", "45");
  write_file(texts / "a", "23");
  write_file(texts / "d", "6");
  write_file(texts / "c-inner" / "x", "no");
  fs::create_symlink(texts / "a", texts / "aa-link");
  fs::create_symlink("nowhere", texts / "ab-broken");
  REQUIRE(::mkfifo((texts / "ac-pipe").c_str(), 0600) == 0);
  const TextData data = load_text(
      config_of({(folder.path() / "first").string(), texts.string(), (texts / "d").string()}), 1);
  CHECK(text_of(*data.train) == "01234566");
  CHECK(data.validation == nullptr);
}

TEST_CASE("the validation part is the last round-down(n * fraction) tokens, or another text") {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "text").string();
  const std::string other = (folder.path() / "other").string();
  write_file(file, "0123456789abcdefghi");  // 19 tokens, a quarter is 4.75
  write_file(other, "XYZ");
  DataConfig config = config_of({file}, 0.25);
  CHECK(text_of(*load_text(config, 1).train) == "0123456789abcde");
  CHECK(text_of(*load_text(config, 1).validation) == "fghi");
  config.validation = {other};
  CHECK(text_of(*load_text(config, 1).train) == "0123456789abcdefghi");
  CHECK(text_of(*load_text(config, 1).validation) == "XYZ");
}

TEST_CASE("unusable text is an error with key and file") {
  const TemporaryFolder folder;
  const std::string root = folder.path().string();
  const auto path = [&](const char* name) { return (folder.path() / name).string(); };
  write_file(path("good"), "0123456789");
  write_file(path("empty"), "");
  write_file(path("short"), "0123");
  fs::create_symlink("nowhere", path("broken"));
  fs::create_directory(path("folder"));
  REQUIRE(::mkfifo(path("pipe").c_str(), 0600) == 0);

  CHECK(failure_of(config_of({})) ==
        "data.train: the list is empty: give at least one file or directory");
  CHECK(failure_of(config_of({path("missing")})) ==
        "data.train: [" + root + "/missing] cannot open: No such file or directory");
  CHECK_THAT(failure_of(config_of({path("broken")})), Contains("/broken] cannot open"));
  CHECK_THAT(failure_of(config_of({path("pipe")})), Contains("/pipe] is not a regular file"));
  CHECK_THAT(failure_of(config_of({path("folder")})),
             Contains("/folder] the directory has no regular file"));
  CHECK(failure_of(config_of({path("empty")})) == "data.train: " + path("empty") + " is empty");
  CHECK(failure_of(config_of({path("short")})) ==
        "data.train: " + path("short") +
            " has 4 tokens, too few for one sample, which needs 5 (model.sequence + 1)");
  CHECK(failure_of(config_of({path("good")})) == "no error");

  DataConfig config = config_of({path("good")});
  config.validation = {path("missing")};
  CHECK_THAT(failure_of(config), Contains("data.validation: [" + root + "/missing]"));
  config.validation = {path("empty"), path("empty")};
  CHECK(failure_of(config) == "data.validation: " + path("empty") + " and 1 more is empty");
  config.validation = {path("short")};
  CHECK_THAT(failure_of(config), Contains("data.validation: " + path("short") + " has 4 tokens"));
}

TEST_CASE("a short validation part, an invalid fraction and an unknown tokenizer are errors") {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "text").string();
  write_file(file, "0123456789");
  CHECK_THAT(failure_of(config_of({file}, 0.4)),
             Contains("data.train: the last 0.4 of " + file +
                      " (data.validation_fraction) has 4 tokens, too few"));
  CHECK_THAT(failure_of(config_of({file}, 0.7)),
             Contains("data.train: " + file + " without its validation part has 3 tokens"));
  CHECK(failure_of(config_of({file}, 0.5)) == "no error");
  CHECK(failure_of(config_of({file}, 1)) == "data.validation_fraction: 1 is not in [0, 1)");
  CHECK(failure_of(config_of({file}, -0.1)) == "data.validation_fraction: -0.1 is not in [0, 1)");
  DataConfig config = config_of({file});
  CHECK(tokenizer_vocab(config) == 256);
  config.tokenizer = "gpt2";
  CHECK(failure_of(config) ==
        "data.tokenizer: unknown tokenizer \"gpt2\"; the only one is \"bytes\"");
}

}  // namespace
}  // namespace stagecraft
