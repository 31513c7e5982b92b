#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>

#include "kernels/base/error.h"
#include "models/families/gpt.h"
#include "models/families/model_config.h"
#include "stages/plan/partition.h"
#include "stages/plan/plan.h"
#include "stages/program/program_text.h"
#include "stages/schedules/reduction_pass.h"
#include "stages/schedules/schedules.h"
#include "stages/schedules/transfer_pass.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;

ModelSpec small_model(int tensor = 1, std::int64_t layers = 6) {
  ModelConfig config;
  config.layers = layers;
  config.hidden = 48;
  config.heads = 6;
  config.sequence = 32;
  config.vocab = 256;
  return gpt(config, tensor);
}

std::vector<int> blocks_of(const std::vector<LayerRange>& ranges) {
  std::vector<int> sizes;
  for (const LayerRange& range : ranges) {
    sizes.push_back(range.last - range.first);
  }
  return sizes;
}

double cost_of(const ModelSpec& model, const LayerRange& range, const CostShape& shape) {
  const LayerCost work = chunk_work(model, range, shape);
  return work.forward_flops + work.backward_input_flops + work.backward_weight_flops;
}

/// The cost of the largest chunk with the best of all cuts of the layers from `first` on.
double least_largest(const ModelSpec& model, const CostShape& shape, int first, int chunks) {
  const auto layers = static_cast<int>(model.layers.size());
  if (chunks == 1) {
    return cost_of(model, {first, layers}, shape);
  }
  double least = std::numeric_limits<double>::infinity();
  for (int cut = first + 1; cut < layers; ++cut) {
    if (model.layers[static_cast<std::size_t>(cut)].cut_before) {
      least = std::min(least, std::max(cost_of(model, {first, cut}, shape),
                                       least_largest(model, shape, cut, chunks - 1)));
    }
  }
  return least;
}

TEST_CASE("a partition covers the layers, every chunk has a block, and the largest is minimal") {
  const ModelSpec model = small_model();
  const CostShape shape{.samples = 2};
  for (const int chunks : {1, 2, 3, 4, 5, 6}) {
    const auto ranges = partition_by_cost(model, shape, chunks);
    double largest = 0;
    REQUIRE(static_cast<int>(ranges.size()) == chunks);
    int next = 0;
    for (const LayerRange& range : ranges) {
      CHECK(range.first == next);
      CHECK(range.last > range.first);
      next = range.last;
      largest = std::max(largest, cost_of(model, range, shape));
    }
    CHECK(largest == Approx(least_largest(model, shape, 0, chunks)));
    CHECK(next == static_cast<int>(model.layers.size()));
  }
}

TEST_CASE("the head's cost moves the cut forward") {
  ModelConfig config;
  config.layers = 12;
  config.hidden = 768;
  config.heads = 12;
  config.sequence = 1024;
  config.vocab = 50257;
  const auto ranges = partition_by_cost(gpt(config, 1), {.samples = 1}, 2);
  // The head costs as much as 4.9 of these blocks: 8.5 blocks per stage.
  CHECK(blocks_of(ranges) == std::vector<int>{1 + 8, 4 + 1});
}

TEST_CASE("a list of blocks determines the partition") {
  const auto ranges = partition_by_list(small_model(), {1, 3, 2}, 3);
  CHECK(ranges == std::vector<LayerRange>{{0, 2}, {2, 5}, {5, 8}});
  for (const std::vector<std::int64_t>& wrong :
       {std::vector<std::int64_t>{6, 0, 0}, {3, 3}, {1, 1, 1}, {-1, 4, 3}}) {
    CHECK_THROWS_AS(partition_by_list(small_model(), wrong, 3), ConfigError);
  }
}

TEST_CASE("the numbers of a plan are consistent") {
  const TrainingPlan plan = make_plan(small_model(2), {.pipeline = 3, .tensor = 2, .data = 2},
                                      {.global_batch = 16, .micro_batch = 2});
  CHECK(plan.microbatches == 4);
  for (const std::size_t stage : {0U, 1U, 2U}) {
    CHECK(plan.verdict.peaks.at(stage).activations == 3 - static_cast<int>(stage));
  }
  CHECK(plan.memory.size() == 3);
  CHECK(plan.flops_per_step > 0);
  // Every block has the same activations, so the ratio is that of live micro-batches.
  CHECK(plan.memory[0].saved_activations == 3 * plan.memory[1].saved_activations / 2);
}

TEST_CASE("a stage costs what its chunks cost") {
  const TrainingPlan plan =
      make_plan(small_model(), {.pipeline = 2, .chunks = 3, .schedule = "looped-bfs"},
                {.global_batch = 8, .micro_batch = 2});
  const TrainingPlan whole =
      make_plan(small_model(), {.schedule = "gpipe"}, {.global_batch = 8, .micro_batch = 2});
  REQUIRE(plan.chunks.size() == 6);
  CHECK(plan.program.stage_of_chunk == std::vector<int>{0, 1, 0, 1, 0, 1});
  CHECK(plan.stage_flops[0] + plan.stage_flops[1] == Approx(whole.stage_flops[0]));
  CHECK(plan.memory[0].saved_activations + plan.memory[1].saved_activations ==
        whole.memory[0].saved_activations);
  // Activations and gradients come from the other stage, also from the last stage to the first.
  CHECK(plan.memory[0].transfer_slots == plan.memory[1].transfer_slots);
  CHECK(plan.memory[0].transfer_slots == 2 * 2 * 4 * 2 * 32 * 48);
}

TEST_CASE("a plan beyond the memory limit is refused, and auto keeps to the limit") {
  const BatchConfig batch{.global_batch = 16, .micro_batch = 1};
  ParallelConfig parallel{.pipeline = 4, .schedule = "gpipe"};
  const ModelSpec model = small_model();
  const auto most = [](const TrainingPlan& plan) {
    std::int64_t bytes = 0;
    for (std::size_t stage = 0; stage < plan.memory.size(); ++stage) {
      CHECK(plan.memory[stage].total() == plan.verdict.peaks[stage].bytes);
      bytes = std::max(bytes, plan.memory[stage].total());
    }
    return bytes;
  };
  const std::int64_t all = most(make_plan(model, parallel, batch));
  parallel.schedule = "1f1b";
  const std::int64_t flush = most(make_plan(model, parallel, batch));
  REQUIRE(flush < all);

  constexpr double kGiB = 1 << 30;
  parallel.memory_gib = static_cast<double>(flush) / kGiB;
  CHECK(most(make_plan(model, parallel, batch)) == flush);
  parallel.schedule = "auto";
  CHECK(most(make_plan(model, parallel, batch)) <= flush);
  parallel.schedule = "gpipe";
  CHECK_THROWS_WITH(make_plan(model, parallel, batch),
                    Contains("gpipe is not safe") && Contains("are allowed"));
  parallel.schedule = "auto";
  parallel.memory_gib = 1e-6;
  CHECK_THROWS_WITH(make_plan(model, parallel, batch), Contains("fits the memory"));
}

TEST_CASE("auto searches by the given costs") {
  const BatchConfig batch{.global_batch = 8, .micro_batch = 1};
  const ParallelConfig parallel{.pipeline = 3, .schedule = "auto"};
  const auto halves = [&](const std::optional<CostTable>& costs) {
    const Program program = make_plan(small_model(), parallel, batch, costs).program;
    return to_string(program).find("0I0") != std::string::npos;
  };
  CHECK(halves({}));  // by FLOPs, B costs as much as I and W and does not fill gaps
  const ComputeCosts fused{.forward = 1, .backward_input = 1, .backward_weight = 1, .backward = 1};
  CHECK_FALSE(halves(CostTable{.chunks = {fused}}));
}

TEST_CASE("a program whose sizes differ from the configuration is refused") {
  const BatchConfig batch{.global_batch = 8, .micro_batch = 2};
  const ParallelConfig parallel{.pipeline = 2, .chunks = 2, .schedule = "mine"};
  CHECK(make_plan(small_model(), parallel, batch, looped_bfs({2, 4, 2})).chunks.size() == 4);
  for (const Program& wrong : {gpipe({2, 4, 1}), looped_bfs({2, 3, 2}), gpipe({4, 4, 1})}) {
    CHECK_THROWS_WITH(make_plan(small_model(), parallel, batch, wrong),
                      Contains("mine is a program of") && Contains("2, 4 (stages"));
  }
}

TEST_CASE("a given program is completed, and refused when it is not proven or trains nothing") {
  const BatchConfig batch{.global_batch = 4, .micro_batch = 2};
  const ParallelConfig parallel{.pipeline = 2, .schedule = "mine"};
  const Program compute = gpipe({2, 2});
  const TrainingPlan plan = make_plan(small_model(), parallel, batch, compute);
  CHECK(plan.program == with_reductions(with_transfers(compute), {.tied = true}));
  CHECK(make_plan(small_model(), parallel, batch, plan.program).program == plan.program);
  Program backwards = compute;
  std::swap(backwards.stages[1][2], backwards.stages[1][3]);
  CHECK_THROWS_WITH(make_plan(small_model(), parallel, batch, backwards),
                    Contains("mine is not safe to run") && Contains("micro-batch order"));
  CHECK_THROWS_WITH(make_plan(small_model(), parallel, batch, forwards_of(one_f_one_b({2, 2}))),
                    Contains("trains nothing"));
}

TEST_CASE("the error of a broken rule names its keys") {
  const auto keys = [](const ParallelConfig& parallel, const BatchConfig& batch,
                       std::int64_t layers = 6) {
    try {
      make_plan(small_model(1, layers), parallel, batch);
    } catch (const ConfigError& error) {
      return error.keys();
    }
    return std::string("none");
  };
  CHECK(keys({}, {8, 2}) == "none");
  CHECK(keys({.data = 3}, {8, 2}) == "train.global_batch train.micro_batch parallel.data");
  CHECK(keys({.pipeline = 7}, {8, 2}) == "parallel.pipeline parallel.chunks model.layers");
  CHECK(keys({.pipeline = 2, .chunks = 4, .schedule = "looped-bfs"}, {8, 2}) ==
        "parallel.pipeline parallel.chunks model.layers");
  CHECK(keys({.pipeline = 2, .chunks = 2}, {8, 2}) ==
        "parallel.schedule parallel.chunks parallel.pipeline train.global_batch train.micro_batch");
  CHECK(keys({.schedule = "2f2b"}, {8, 2}) == "parallel.schedule");
  CHECK(keys({.pipeline = 2, .partition = {6}}, {8, 2}) ==
        "parallel.partition parallel.pipeline parallel.chunks model.layers");
  CHECK_THROWS_WITH(small_model(4), Contains("6 heads") && Contains("4 tensor ranks"));
}

}  // namespace
}  // namespace stagecraft
