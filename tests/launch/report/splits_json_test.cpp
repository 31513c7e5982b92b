#include "launch/report/splits_json.h"
#include "models/families/model_config.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

namespace stagecraft {
namespace {

TEST_CASE("the result of plan as JSON") {
  ModelConfig model;
  model.layers = 4;
  model.hidden = 64;
  model.heads = 4;
  model.sequence = 32;
  model.vocab = 256;
  const SearchRequest request{.model = model,
                              .batch = {.global_batch = 8},
                              .devices = 4,
                              .machine = resolved(MachineConfig{.preset = "a100-80g"})};
  const SplitSearch found = search_splits(request);
  const auto json = nlohmann::json::parse(splits_json(request, found));
  CHECK(json["devices"] == 4);
  CHECK(json["machine"]["preset"] == "a100-80g");
  CHECK(json["machine"]["tflops"] == request.machine.tflops);
  CHECK(json["machine"]["between_us"] == request.machine.between_us);
  CHECK(json["considered"] == found.considered);
  CHECK(json["rejected"].size() == found.rejected.size());
  REQUIRE(json["best"].size() == found.best.size());
  for (std::size_t i = 0; i < found.best.size(); ++i) {
    const auto& split = json["best"][i];
    const int ranks =
        split["pipeline"].get<int>() * split["tensor"].get<int>() * split["data"].get<int>();
    CHECK(ranks == 4);
    CHECK(split["schedule"] == found.best[i].parallel.schedule);
    CHECK(split["memory_bytes"] == found.best[i].memory);
    CHECK(split["micro_batch"].get<int>() * split["microbatches"].get<int>() *
              split["data"].get<int>() ==
          8);
    const double seconds = split["step_ms"].get<double>() * 1e-3;
    CHECK(split["tokens_per_second"].get<double>() * seconds == Approx(8 * 32));
  }
}

}  // namespace
}  // namespace stagecraft
