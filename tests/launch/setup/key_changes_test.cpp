#include "launch/setup/key_changes.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "kernels/base/error.h"
#include "launch/config/config_table.h"
#include "launch/setup/resolve.h"
#include "tests/launch/example_config.h"

using namespace stagecraft;

namespace {

KeyValues values(const std::vector<std::string>& overrides = {}) {
  return key_values(resolve(example(overrides), 2).settings);
}

/// The keys and the text of the ConfigError; empty if there is none.
std::pair<std::string, std::string> refusal(const std::vector<KeyChange>& changes,
                                            const std::vector<std::string>& allowed = {}) {
  try {
    check_changes(changes, allowed);
    return {};
  } catch (const ConfigError& error) {
    return {error.keys(), error.text()};
  }
}

}  // namespace

TEST_CASE("the values of all keys are kept, and equal ones are no change") {
  CHECK(values().size() == config_table().size());
  CHECK(values().at("train.steps") == "10");
  CHECK(values().at("parallel.partition") == "\"auto\"");
  CHECK(key_changes(values(), values()).empty());
}

TEST_CASE("another value of any key is a change, which the key's entry refuses or lets pass") {
  for (const ConfigKey& key : config_table()) {
    CAPTURE(key.name);
    KeyValues was = values();
    was.at(key.name) = "another";
    const auto changes = key_changes(was, values());
    REQUIRE(changes.size() == 1);
    CHECK(changes.front().key == key.name);
    CHECK(refusal(changes).first == (key.on_resume == OnResume::fixed ? key.name : ""));
    CHECK(refusal(changes, {key.name}).first.empty());
    CHECK(changes_that_move_bits(changes).empty() == (key.on_resume == OnResume::may_change));
  }
}

TEST_CASE("all fixed keys that differ are refused at once, with both values and the remedy") {
  const auto changes =
      key_changes(values(), values({"train.seed=2", "train.clip=0", "train.steps=20",
                                    "train.decay_steps=10", "parallel.tensor=2"}));
  CHECK(changes.size() == 4);
  const auto [keys, text] = refusal(changes);
  CHECK(keys == "train.clip train.seed");
  CHECK_THAT(text, Catch::Contains("train.clip was 1.0 and is 0.0, train.seed was 1 and is 2;") &&
                       Catch::EndsWith("--allow train.clip --allow train.seed"));
  CHECK(refusal(changes, {"train.clip"}).first == "train.seed");
  CHECK(refusal(changes, {"train.seed", "train.clip"}).first.empty());
  CHECK(changes_that_move_bits(changes) ==
        "parallel.tensor was 1 and is 2, train.clip was 1.0 and is 0.0, train.seed was 1 and is 2");
}

TEST_CASE("a key of a later program is refused, and one that is new here had its default") {
  KeyValues was = values();
  was["numerics.rounding"] = "\"odd\"";
  CHECK_THAT(refusal(key_changes(was, values())).second,
             Catch::Contains("numerics.rounding was \"odd\" and is unknown to this program") &&
                 Catch::EndsWith("use the program that began the run"));
  was = values();
  was.erase("train.clip");
  CHECK(key_changes(was, values()).empty());
  CHECK(key_changes(was, values({"train.clip=2"})).front().was == "1.0");
}

TEST_CASE("a name that is no key cannot be allowed") {
  CHECK_NOTHROW(check_allowed({"train.seed", "data.train"}));
  CHECK_THROWS_WITH(check_allowed({"train.sede"}), Catch::Contains("the nearest is train.seed"));
}
