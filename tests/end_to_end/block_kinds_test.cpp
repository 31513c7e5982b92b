// Models of blocks that no family has train over a pipeline as on one stage.
#include <catch2/catch.hpp>

#include "tests/end_to_end/small_run.h"
#include "tests/models/layers/block_kinds.h"

namespace stagecraft {
namespace {

using test::block_kinds;
using test::BlockKind;
using test::KeepingObserver;
using test::SmallRun;

/// GPT's embedding and head around blocks of the kind.
ModelSpec model_of(const BlockKind& kind, const SmallRun& run) {
  ModelSpec model = gpt(run.model, run.parallel.tensor);
  for (std::int64_t i = 0; i < run.model.layers; ++i) {
    LayerSpec& layer = model.layers.at(static_cast<std::size_t>(i) + 1);
    const bool cut_before = layer.cut_before;
    layer = test::block_of(kind, run.model, run.parallel.tensor, fmt::format("{}.", i));
    layer.cut_before = cut_before;
  }
  return model;
}

struct Trained {
  std::string model;
  std::vector<double> losses;
};

Trained trained(const BlockKind& kind, SmallRun run) {
  const TemporaryFolder folder;
  KeepingObserver observer;
  run.run.model_folder = folder.path() / "model";
  const TrainingPlan plan = make_plan(model_of(kind, run), run.parallel, run.batch);
  const RunResult result = run_training(plan, run.run, run.data(), {observer});
  REQUIRE(result.failure.empty());
  return {read_file(run.run.model_folder / "model.safetensors"), observer.losses()};
}

TEST_CASE("blocks of other kinds learn, and a pipeline changes no bit of them") {
  for (const BlockKind& kind : block_kinds()) {
    INFO(kind.name);
    SmallRun run;
    run.model.dropout = 0.1;
    const Trained one = trained(kind, run);
    CHECK(one.losses.back() < one.losses.front() - 0.5);
    for (const char* schedule : {"1f1b", "zb-h1"}) {
      run.parallel = {.pipeline = 2, .schedule = schedule};
      const Trained two = trained(kind, run);
      CHECK(two.model == one.model);
      CHECK(two.losses == one.losses);
    }
    run.parallel = {.tensor = 2};
    const Trained tensor = trained(kind, run);
    for (std::size_t step = 0; step < one.losses.size(); ++step) {
      CHECK(tensor.losses.at(step) == Approx(one.losses.at(step)).epsilon(1e-4));
    }
  }
}

}  // namespace
}  // namespace stagecraft
