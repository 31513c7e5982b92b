#include "launch/artifacts/recorded_rows.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/temporary_folder.h"

namespace stagecraft {

TEST_CASE("the values of a step come from all its rows, without times") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "metrics.jsonl";
  std::ofstream(file) << R"({"step": 1, "loss": 5.5, "step_seconds": 1, "tokens_per_second": 9}
{"step": 1, "state_hash": "00ab"}
{"step": 2, "loss": null}
[1, 2]
{"step": 3, "los)";
  const auto steps = recorded_metrics(file);
  REQUIRE(steps.size() == 2);
  CHECK(steps.at(1) == StepValues{{"loss", "5.5"}, {"state_hash", "\"00ab\""}});
  CHECK(steps.at(2) == StepValues{{"loss", "null"}});
  CHECK(recorded_metrics(folder.path() / "none").empty());
}

TEST_CASE("the hashes of a step are in the file's order") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "state_hashes.jsonl";
  std::ofstream(file) << R"({"step":4,"tensors":{"b":["1","2","3"],"a":["4","5","6"]}}
{"step":5)";
  const auto steps = recorded_hashes(file);
  REQUIRE(steps.size() == 1);
  CHECK(steps.at(4) == std::vector<TensorHashes>{{"b", {"1", "2", "3"}}, {"a", {"4", "5", "6"}}});
}

}  // namespace stagecraft
