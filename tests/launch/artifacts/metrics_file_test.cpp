#include "launch/artifacts/metrics_file.h"

#include <catch2/catch.hpp>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "actors/protocol/run_report.h"

using namespace stagecraft;

namespace {

StepReport report() {
  StepReport report;
  report.step = 7;
  report.loss = 2.123456789123;
  report.gradient_norm = 1.0 / 3;
  report.learning_rate = 1e-3;
  report.tokens = 2048;
  report.seconds = 0.25;
  return report;
}

std::set<std::string> keys_of(const nlohmann::json& diagnose) {
  std::set<std::string> keys;
  for (const auto& [key, value] : diagnose.items()) {
    keys.insert(key);
  }
  return keys;
}

}  // namespace

TEST_CASE("a metrics line has exactly its keys and nine significant digits") {
  const std::string line = metrics_line(report());
  const auto diagnose = nlohmann::json::parse(line);
  CHECK(keys_of(diagnose) == std::set<std::string>{"step", "loss", "grad_norm", "learning_rate",
                                                   "tokens", "step_seconds", "tokens_per_second"});
  CHECK(line.find("2.12345679,") != std::string::npos);
  CHECK(line.find("0.333333333,") != std::string::npos);
  CHECK(diagnose["tokens_per_second"] == 8192);
}

TEST_CASE("a line of a model with several losses has each by name") {
  StepReport several = report();
  several.losses = {{"first", 2}, {"second", 0.123456789123}};
  const auto row = nlohmann::json::parse(metrics_line(several));
  CHECK(row["losses"] == nlohmann::json{{"first", 2}, {"second", 0.123456789}});
  const EvaluationReport evaluation{7, 3, 3, 2.5, {{"first", 2}, {"second", 0.5}}};
  CHECK(nlohmann::json::parse(metrics_line(evaluation))["validation_losses"] ==
        nlohmann::json{{"first", 2}, {"second", 0.5}});
}

TEST_CASE("an evaluation has a line of its own, with its step and its loss") {
  const auto row = nlohmann::json::parse(metrics_line(EvaluationReport{7, 3, 3, 2.5}));
  CHECK(keys_of(row) == std::set<std::string>{"step", "validation_loss"});
  CHECK(row["step"] == 7);
  CHECK(row["validation_loss"] == 2.5);
}

TEST_CASE("a value that is not finite is null, so that the line is valid JSON") {
  StepReport broken = report();
  broken.loss = std::numeric_limits<double>::quiet_NaN();
  broken.gradient_norm = std::numeric_limits<double>::infinity();
  const auto diagnose = nlohmann::json::parse(metrics_line(broken));
  CHECK(diagnose["loss"].is_null());
  CHECK(diagnose["grad_norm"].is_null());
}

TEST_CASE("the state's hash has a line of its own, as 16 hexadecimal digits") {
  StateHashReport hashed;
  hashed.step = 7;
  hashed.sum = 0xab;
  CHECK(nlohmann::json::parse(metrics_line(hashed)) ==
        nlohmann::json{{"step", 7}, {"state_hash", "00000000000000ab"}});
}
