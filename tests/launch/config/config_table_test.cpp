// Bad input, key by key: these tests cover every key of the table.
#include "launch/config/config_table.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <set>

#include "tests/launch/example_config.h"

using namespace stagecraft;

namespace {

constexpr const char* kWhere = "bad.toml:2:1: ";

// A file with this key alone, on line 2.
std::string message_for(const ConfigKey& key, const std::string& value) {
  const std::string text = fmt::format("[{}]\n{} = {}\n", key.section(), key.leaf(), value);
  return message_of([&] { parse_config(text, "bad.toml", {}); });
}

// Checks that the value is refused with its location and the key's name. (An accepted value gives
// another message, since required keys are missing.)
void check_refused(const ConfigKey& key, const std::string& value) {
  CAPTURE(key.name, value);
  const std::string message = message_for(key, value);
  CHECK_THAT(message, Catch::StartsWith(kWhere));
  CHECK_THAT(message, Catch::Contains(key.name));
}

void check_accepted(const ConfigKey& key, const std::string& value) {
  CAPTURE(key.name, value);
  CHECK_THAT(message_for(key, value), Catch::Contains(" is missing; add "));
}

std::vector<std::string> wrong_types(const ConfigKey& key) {
  switch (key.type) {
    case KeyType::integer:
      return {"1.0", "\"1\"", "true", "[1]", "1979-05-27", "{a = 1}"};
    case KeyType::real:
      return {"\"1\"", "true", "[1.0]", "{a = 1}"};
    case KeyType::boolean:
      return {"1", "\"true\"", "[true]", "{a = 1}"};
    case KeyType::text:
    case KeyType::choice:
      return {"1", "1.5", "false", "[\"a\"]", "{a = 1}"};
    case KeyType::text_list:
      return {"\"a\"", "1", "[1]", "[\"a\", 1]", "true", "{a = 1}"};
    case KeyType::block_list:
      return {"\"other\"", "1", "[]", "[1.0]", "[\"a\"]", "[1, true]", "{a = 1}"};
  }
  return {};
}

std::vector<std::string> out_of_range(const ConfigKey& key) {
  const Range& range = key.range;
  std::vector<std::string> values;
  const bool whole = key.type == KeyType::integer || key.type == KeyType::block_list;
  const auto add = [&](double value) {
    const std::string text = whole ? fmt::format("{:.0f}", value) : fmt::format("{:e}", value);
    values.push_back(key.type == KeyType::block_list ? "[1, " + text + "]" : text);
  };
  const double step = whole ? 1 : 1e-3;
  if (std::isfinite(range.min)) {
    add(range.min_open ? range.min : range.min - step);
  }
  if (std::isfinite(range.max)) {
    add(range.max_open ? range.max : range.max + step);
  }
  if (key.type == KeyType::real) {
    values.insert(values.end(), {"nan", "inf", "-inf"});
  }
  return values;
}

}  // namespace

TEST_CASE("every key refuses every wrong type, with its location") {
  for (const ConfigKey& key : config_table()) {
    for (const std::string& value : wrong_types(key)) {
      check_refused(key, value);
    }
  }
}

TEST_CASE("every key refuses values just outside its range, and accepts values just inside") {
  for (const ConfigKey& key : config_table()) {
    for (const std::string& value : out_of_range(key)) {
      check_refused(key, value);
    }
    if (key.type == KeyType::integer && !key.range.min_open) {
      check_accepted(key, fmt::format("{:.0f}", key.range.min));
      check_accepted(key, fmt::format("{:.0f}", key.range.max));
    }
  }
}

TEST_CASE("every number has a lower bound, and every integer an upper one") {
  for (const ConfigKey& key : config_table()) {
    CAPTURE(key.name);
    if (key.type == KeyType::integer || key.type == KeyType::block_list) {
      CHECK(std::isfinite(key.range.min));
      CHECK(std::isfinite(key.range.max));
    } else if (key.type == KeyType::real) {
      CHECK(std::isfinite(key.range.min));
    }
  }
}

TEST_CASE("every choice refuses another word, naming the nearest, and a value not built yet") {
  int refused = 0;
  for (const ConfigKey& key : config_table()) {
    for (const Choice& choice : key.choices) {
      CAPTURE(key.name, choice.name);
      if (!choice.argument.empty()) {  // any text that is not empty may follow
        check_accepted(key, "\"" + choice.name + "x\"");
        check_refused(key, "\"" + choice.name + "\"");
        check_refused(key, "\"x" + choice.name + "x\"");
        continue;
      }
      const std::string message = message_for(key, "\"" + choice.name + "x\"");
      CHECK_THAT(message, Catch::StartsWith(kWhere));
      CHECK_THAT(message, Catch::Contains("the nearest is \"" + choice.name));
      if (choice.built) {
        check_accepted(key, "\"" + choice.name + "\"");
      } else {
        check_refused(key, "\"" + choice.name + "\"");
        CHECK_THAT(message_for(key, "\"" + choice.name + "\""), Catch::Contains("not built yet"));
        ++refused;
      }
    }
  }
  CHECK(refused == 1);  // bert
}

TEST_CASE("every key misspelt is unknown, and the nearest is the key") {
  for (const ConfigKey& key : config_table()) {
    const std::string text = fmt::format("[{}]\n{}s_ = 1\n", key.section(), key.leaf());
    const std::string message = message_of([&] { parse_config(text, "bad.toml", {}); });
    CHECK_THAT(message, Catch::StartsWith(kWhere));
    CHECK_THAT(message, Catch::EndsWith("the nearest is " + key.name));
  }
}

TEST_CASE("an integer is accepted where a number is expected") {
  for (const ConfigKey& key : config_table()) {
    if (key.type == KeyType::real) {
      check_accepted(key, key.range.min_open ? "1" : "0");
    }
  }
}

TEST_CASE("a list that must not be empty is refused when it is") {
  check_refused(*find_key("data.train"), "[]");
  check_accepted(*find_key("data.validation"), "[]");
}

TEST_CASE("a zero byte in a text is refused") {
  check_refused(*find_key("run.directory"), R"("a\u0000b")");
  check_refused(*find_key("data.train"), R"(["a\u0000b"])");
}

TEST_CASE("the table has every key once, each with help, and defaults that pass its own checks") {
  std::set<std::string> seen;
  for (const ConfigKey& key : config_table()) {
    CAPTURE(key.name);
    CHECK(seen.insert(key.name).second);
    CHECK_FALSE(key.help.empty());
    if (key.need == Need::optional && key.computed.empty()) {
      CHECK_NOTHROW(check_value(key, key.get(RunSettings{})));
    }
  }
}

TEST_CASE("a key fills its own field and no other") {
  for (const ConfigKey& changed : config_table()) {
    if (changed.type != KeyType::integer) {
      continue;
    }
    RunSettings settings;
    changed.set(settings, std::int64_t{1'234});
    for (const ConfigKey& key : config_table()) {
      CAPTURE(changed.name, key.name);
      const bool same = key.name == changed.name;
      CHECK((key.get(settings) == key.get(RunSettings{})) != same);
    }
  }
}

TEST_CASE("what a run that goes on may change is all but model, batch, optimizer, seed and data") {
  std::set<std::string> fixed;
  std::set<std::string> moves_bits;
  for (const ConfigKey& key : config_table()) {
    if (key.on_resume != OnResume::may_change) {
      (key.on_resume == OnResume::fixed ? fixed : moves_bits).insert(key.name);
    }
  }
  CHECK(moves_bits == std::set<std::string>{"parallel.data", "parallel.tensor"});
  CHECK(fixed == std::set<std::string>{
                     "model.family",      "model.layers",        "model.hidden",
                     "model.heads",       "model.sequence",      "model.vocab",
                     "model.dropout",     "train.global_batch",  "train.micro_batch",
                     "train.precision",   "train.learning_rate", "train.min_learning_rate",
                     "train.decay_steps", "train.warmup_steps",  "train.beta1",
                     "train.beta2",       "train.epsilon",       "train.weight_decay",
                     "train.clip",        "train.seed",          "data.validation_fraction",
                     "data.tokenizer",    "data.order"});
}

TEST_CASE("defaults are those of the documentation") {
  const auto text = [](const char* name) {
    const ConfigKey* key = find_key(name);
    return to_toml(*key, key->get(RunSettings{}));
  };
  CHECK(text("parallel.pipeline") == "1");
  CHECK(text("parallel.schedule") == "\"1f1b\"");
  CHECK(text("parallel.partition") == "\"auto\"");
  CHECK(text("model.dropout") == "0.0");
  CHECK(text("train.learning_rate") == "0.0003");
  CHECK(text("train.min_learning_rate") == "0.0");
  CHECK(text("train.warmup_steps") == "0");
  CHECK(text("train.beta1") == "0.9");
  CHECK(text("train.beta2") == "0.95");
  CHECK(text("train.epsilon") == "1e-08");
  CHECK(text("train.weight_decay") == "0.1");
  CHECK(text("train.clip") == "1.0");
  CHECK(text("train.seed") == "1");
  CHECK(text("train.eval_every") == "0");
  CHECK(text("data.validation_fraction") == "0.1");
  CHECK(text("data.tokenizer") == "\"bytes\"");
  CHECK(text("data.order") == "\"shuffled\"");
  CHECK(text("run.mode") == "\"threads\"");
  CHECK(text("run.watchdog_seconds") == "30.0");
  CHECK(text("device.backend") == "\"auto\"");
  CHECK(text("trace.steps") == "10");
  CHECK(text("trace.ranks") == "\"stages\"");
  CHECK(text("trace.limit_mib") == "64");
  CHECK(text("checkpoint.every") == "0");
  CHECK(text("checkpoint.every_minutes") == "0.0");
  CHECK(text("checkpoint.keep") == "3");
  CHECK(text("checkpoint.keep_every") == "0");
  CHECK(text("metrics.state_hash_every") == "0");
}
