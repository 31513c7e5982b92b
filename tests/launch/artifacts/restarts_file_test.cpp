#include "launch/artifacts/restarts_file.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "launch/artifacts/result_file.h"
#include "launch/artifacts/run_directory.h"
#include "tests/temporary_folder.h"

using namespace stagecraft;

namespace {

const Restart kFailed{4, "failed", 6, "rank 1: \"gone\""};
const Restart kKilled{8, "killed", 9, ""};

}  // namespace

TEST_CASE("restarts are read back in order, without a torn row") {
  const TemporaryFolder folder;
  CHECK(read_restarts(folder.path()).empty());
  add_restart(folder.path(), kFailed);
  add_restart(folder.path(), kKilled);
  std::ofstream(restarts_file(folder.path()), std::ios::app) << R"({"from_step": 12, "ear)";
  CHECK(read_restarts(folder.path()) == std::vector<Restart>{kFailed, kKilled});
  CHECK_THROWS_AS(add_restart(folder.path() / "none", kFailed), Error);
}

TEST_CASE("the result of a run has its restarts, each on a line") {
  const TemporaryFolder folder;
  add_restart(folder.path(), kFailed);
  add_restart(folder.path(), kKilled);
  write_result(folder.path(), {.outcome = Outcome::finished, .steps = 10});
  const std::string text = read_file(folder.path() / "result.json");
  CHECK_THAT(text, Catch::Contains("\n    {\"from_step\":8,\"earlier\":\"killed\",\"steps\":9,"
                                   "\"cause\":null}\n  ]\n}\n"));
  const auto json = nlohmann::json::parse(text);
  REQUIRE(json["restarts"].size() == 2);
  CHECK(json["restarts"][0]["cause"] == kFailed.cause);
  CHECK(json["steps"] == 10);
  CHECK(nlohmann::json::parse(result_json({}))["restarts"].empty());
}
