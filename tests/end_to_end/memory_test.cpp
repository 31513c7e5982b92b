// The plan's bytes compared with the memory account of a run's tensors.
#include <catch2/catch.hpp>

#include "actors/protocol/run_report.h"
#include "tests/end_to_end/small_run.h"

namespace stagecraft {
namespace {

using test::KeepingObserver;
using test::SmallRun;

SmallRun run_of(const ParallelConfig& parallel, double dropout = 0) {
  SmallRun run;
  run.model.layers = 8;
  run.model.hidden = 64;
  run.model.heads = 4;
  run.model.sequence = 64;
  run.model.dropout = dropout;
  run.batch = {.global_batch = 32, .micro_batch = 4};
  run.parallel = parallel;
  run.run.optimizer.steps = 2;
  run.run.optimizer.warmup_steps = 0;
  return run;
}

TEST_CASE("predicted peak bytes are within 5 % of a run's peak") {
  const ParallelConfig one{.pipeline = 1};
  const std::vector<ParallelConfig> splits = {
      one,
      {.pipeline = 2},
      {.pipeline = 4},
      {.pipeline = 2, .schedule = "gpipe"},
      {.pipeline = 4, .schedule = "gpipe"},
      {.pipeline = 2, .chunks = 2, .schedule = "interleaved"},
      {.pipeline = 4, .chunks = 2, .schedule = "interleaved"},
      {.pipeline = 2, .chunks = 4, .schedule = "looped-bfs"},
      {.pipeline = 2, .schedule = "zb-h1"},
      {.pipeline = 4, .schedule = "zb-h1"},
      {.pipeline = 2, .schedule = "zb-h2"},
      {.pipeline = 4, .schedule = "zb-h2"},
      {.pipeline = 2, .chunks = 2, .schedule = "zb-v"},
      {.pipeline = 4, .chunks = 2, .schedule = "zb-v"},
      {.pipeline = 2, .chunks = 2, .schedule = "dualpipe-v"},
      {.pipeline = 2, .tensor = 2},
      {.pipeline = 2, .tensor = 2, .chunks = 2, .schedule = "zb-v"},
      {.pipeline = 2, .data = 2, .schedule = "zb-h1"}};
  for (const ParallelConfig& parallel : splits) {
    for (const double dropout : {0.0, 0.1}) {
      const SmallRun run = run_of(parallel, dropout);
      KeepingObserver observer;
      const TrainingPlan plan = run.plan();
      const RunResult result = run_training(plan, run.run, run.data(), {observer});
      REQUIRE(result.failure.empty());
      for (const RankReport& rank : result.ranks) {
        const StageMemory& memory = plan.memory[static_cast<std::size_t>(rank.coordinate.pipeline)];
        INFO(parallel.schedule << ", pipeline " << parallel.pipeline << ", chunks "
                               << parallel.chunks << ", tensor " << parallel.tensor << ", dropout "
                               << dropout << ", stage " << rank.coordinate.pipeline);
        CHECK(static_cast<double>(memory.total()) ==
              Approx(static_cast<double>(rank.peak_bytes)).epsilon(0.05));
      }
    }
  }
}

}  // namespace
}  // namespace stagecraft
