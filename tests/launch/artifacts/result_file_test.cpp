#include "launch/artifacts/result_file.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "tests/temporary_folder.h"

using namespace stagecraft;

namespace {

nlohmann::json parsed(const RunOutcome& outcome) {
  return nlohmann::json::parse(result_json(outcome));
}

RunResult stopped_run() {
  RunResult result;
  result.steps = 120;
  result.stopped_early = true;
  result.loss = 3.1875;
  result.validation_loss = 3.25;
  result.validation_step = 100;
  return result;
}

}  // namespace

TEST_CASE("a result has its keys, and null where there is no value") {
  CHECK(parsed(outcome_of(stopped_run())) == nlohmann::json{{"outcome", "stopped"},
                                                            {"steps", 120},
                                                            {"loss", 3.1875},
                                                            {"validation_loss", 3.25},
                                                            {"validation_step", 100},
                                                            {"cause", nullptr},
                                                            {"restarts", nlohmann::json::array()}});
  CHECK(parsed(outcome_of(RunResult{})) == nlohmann::json{{"outcome", "finished"},
                                                          {"steps", 0},
                                                          {"loss", nullptr},
                                                          {"validation_loss", nullptr},
                                                          {"validation_step", nullptr},
                                                          {"cause", nullptr},
                                                          {"restarts", nlohmann::json::array()}});
}

TEST_CASE("a failure is a failure, also of a run that was asked to stop") {
  RunResult result = stopped_run();
  result.failure = "stage 1 \xFF fell";  // not UTF-8: a path may be anything
  result.loss = std::nan("");
  const auto json = parsed(outcome_of(result));
  CHECK(json["outcome"] == "failed");
  CHECK(json["cause"].get<std::string>().starts_with("stage 1 "));
  CHECK(json["loss"].is_null());
}

TEST_CASE("each outcome has its status, and is read back") {
  const TemporaryFolder folder;
  CHECK_FALSE(read_result(folder.path()).has_value());
  for (const auto& [outcome, status] :
       {std::pair{Outcome::finished, 0}, {Outcome::stopped, 75}, {Outcome::failed, 1}}) {
    write_result(folder.path(), {.outcome = outcome});
    CHECK(read_result(folder.path())->outcome == outcome);
    CHECK(exit_status(outcome) == status);
  }
  for (const char* text : {"", "{}", "{\"outcome\": 3}", "[1]", "{\"outcome\": \"well\"}"}) {
    write_file(folder.path() / "result.json", text);
    CHECK_THROWS_WITH(read_result(folder.path()), Catch::Contains("result.json"));
  }
}

TEST_CASE("a failed run whose driver is gone has the steps and losses of its metrics") {
  const TemporaryFolder folder;
  CHECK(failed_outcome(folder.path(), "rank 0 is gone").steps == 0);
  std::ofstream(folder.path() / "metrics.jsonl") << R"({"step": 1, "loss": 5.5}
{"step": 1, "validation_loss": 5.25}
{"step": 2, "loss": 4.5}
{"step": 3, "lo)";
  const RunOutcome outcome = failed_outcome(folder.path(), "rank 0 is gone");
  CHECK(outcome.outcome == Outcome::failed);
  CHECK(outcome.steps == 2);
  CHECK(outcome.loss == 4.5);
  CHECK(outcome.validation_loss == 5.25);
  CHECK(outcome.validation_step == 1);
  CHECK(outcome.cause == "rank 0 is gone");
}
