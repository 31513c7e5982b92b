#include "launch/report/config_text.h"

#include <catch2/catch.hpp>

#include "kernels/base/file.h"
#include "launch/config/config_table.h"
#include "launch/setup/resolve.h"
#include "tests/launch/example_config.h"

using namespace stagecraft;

namespace {

// Every key that a run leaves in its config.toml reads back to the same value.
void check_round_trip(const std::vector<std::string>& overrides) {
  const ResolvedRun run = resolve(example(overrides), 2);
  const std::string text = resolved_toml(run.settings, run.sources);
  const ResolvedRun second = resolve(parse_config(text, "config.toml", {}), 64);
  for (const ConfigKey& key : config_table()) {
    CAPTURE(key.name, text);
    CHECK(key.get(second.settings) == key.get(run.settings));
  }
  CHECK(resolved_toml(second.settings, {}) == resolved_toml(run.settings, {}));
}

}  // namespace

TEST_CASE("a resolved configuration reads back to the same settings") {
  check_round_trip({});
  check_round_trip({"parallel.partition=[3, 1]", "train.epsilon=1e-12", "trace.file="});
  check_round_trip({"model.preset=gpt2-124m", "train.learning_rate=1"});
  check_round_trip({R"(data.validation=["a \"b\" \\ c", "ü"])"});
  check_round_trip({"run.directory=some where", "data.validation_fraction=0"});
  check_round_trip({"train.steps=7 # a\n # b \n"});
  check_round_trip({"model.init_from=folder", "data.order=sequential", "model.dropout=0.1"});
}

TEST_CASE("the trace of a resolved configuration goes where its run goes") {
  const ResolvedRun run = resolve(example({"run.directory=first"}), 2);
  const std::string text = resolved_toml(run.settings, run.sources);
  CHECK(text.find("# file = \"first/trace.json\"") != std::string::npos);
  const ResolvedRun elsewhere = resolve(example({"trace.file=mine.json"}), 2);
  CHECK(resolved_toml(elsewhere.settings, {}).find("\nfile = \"mine.json\"") != std::string::npos);
}

TEST_CASE("a resolved configuration names the source of every value") {
  const ResolvedRun run = resolve(example({"train.seed=3"}), 2);
  const std::string text = resolved_toml(run.settings, run.sources);
  CHECK(text.find("layers = 4  # example.toml:3:1\n") != std::string::npos);
  CHECK(text.find("seed = 3  # --set train.seed=3\n") != std::string::npos);
  CHECK(text.find("beta2 = 0.95  # default\n") != std::string::npos);
  CHECK(text.find("vocab = 256  # default: ") != std::string::npos);
  CHECK(text.find("threads = 1  # default: cores / actors") != std::string::npos);
}

TEST_CASE("docs/configuration.md is the page generated from the table") {
  CHECK(read_file("docs/configuration.md") == configuration_page());
}
