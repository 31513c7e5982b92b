// Ranks that hold several shards of the tensor axis, as DESIGN's canonical shards will have them.
#include <catch2/catch.hpp>

#include "tests/end_to_end/small_run.h"

namespace stagecraft {
namespace {

using test::KeepingObserver;
using test::SmallRun;

/// Losses of training steps and of the evaluation behind the last one.
std::vector<double> losses(SmallRun run, int shards) {
  KeepingObserver observer;
  const TrainingPlan plan = make_plan(gpt(run.model, shards), run.parallel, run.batch);
  const RunResult result = run_training(plan, run.run, run.data(), {observer});
  REQUIRE(result.failure.empty());
  std::vector<double> all = observer.losses();
  all.push_back(observer.validation_loss().value());
  return all;
}

TEST_CASE("a rank with several shards trains as one with a single shard, to rounding") {
  struct Split {
    ParallelConfig parallel;
    int shards;
  };
  for (const Split& split : {Split{{}, 2}, Split{{.pipeline = 2}, 4}, Split{{.tensor = 2}, 4}}) {
    CAPTURE(split.parallel.pipeline, split.parallel.tensor, split.shards);
    SmallRun run;
    run.model.dropout = 0.1;
    run.run.optimizer.steps = 8;
    run.run.options.eval_every = 8;
    run.parallel = split.parallel;
    const std::vector<double> one = losses(run, split.parallel.tensor);
    const std::vector<double> several = losses(run, split.shards);
    REQUIRE(several.size() == one.size());
    for (std::size_t i = 0; i < one.size(); ++i) {
      CHECK(several[i] == Approx(one[i]).epsilon(1e-5));
    }
  }
}

}  // namespace
}  // namespace stagecraft
