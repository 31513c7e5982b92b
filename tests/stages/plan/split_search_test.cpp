#include "stages/plan/split_search.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "kernels/base/error.h"
#include "models/families/gpt.h"
#include "models/families/model_config.h"
#include "stages/plan/split_costs.h"
#include "stages/schedules/reduction_pass.h"
#include "stages/schedules/schedules.h"
#include "stages/schedules/transfer_pass.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;

MachineConfig a100() { return resolved(MachineConfig{.preset = "a100-80g"}); }

SearchRequest small_request(int devices) {
  ModelConfig model;
  model.layers = 8;
  model.hidden = 512;
  model.heads = 4;
  model.sequence = 128;
  model.vocab = 1024;
  return {.model = model, .batch = {.global_batch = 16}, .devices = devices, .machine = a100()};
}

/// The step of every possible split, without pruning.
std::vector<RankedSplit> all_splits(const SearchRequest& request) {
  std::vector<RankedSplit> all;
  SplitPricer pricer(request.model, request.batch, request.machine);
  for (int pipeline = 1; pipeline <= request.devices; ++pipeline) {
    for (int tensor = 1; tensor <= request.devices; ++tensor) {
      for (int chunks = 1; chunks <= 8; ++chunks) {
        for (const std::string& schedule : schedule_names()) {
          for (std::int64_t micro_batch = 1; micro_batch <= 16; ++micro_batch) {
            const int data = request.devices / (pipeline * tensor);
            if (pipeline * tensor * data != request.devices || 4 % tensor != 0 ||
                16 % (data * micro_batch) != 0 || pipeline * chunks > 8 ||
                (pipeline == 1 && chunks > 1)) {
              continue;
            }
            const int microbatches = static_cast<int>(16 / (data * micro_batch));
            try {
              const Program program = with_reductions(
                  with_transfers(build_schedule(schedule, {pipeline, microbatches, chunks})),
                  {.tied = true, .data = true});
              const ParallelConfig parallel{.pipeline = pipeline,
                                            .tensor = tensor,
                                            .data = data,
                                            .chunks = chunks,
                                            .schedule = schedule};
              const Timeline timeline =
                  simulate(program, pricer.price(parallel, micro_batch).table);
              all.push_back({parallel, micro_batch, microbatches, timeline.makespan});
            } catch (const Error&) {
              continue;  // outside the schedule's domain
            }
          }
        }
      }
    }
  }
  return all;
}

TEST_CASE("the search finds what an exhaustive search finds") {
  for (const int devices : {1, 2, 4, 8}) {
    SearchRequest request = small_request(devices);
    const SplitSearch found = search_splits(request);
    const std::vector<RankedSplit> all = all_splits(request);
    const double best = std::min_element(all.begin(), all.end(), [](const auto& a, const auto& b) {
                          return a.step_ms < b.step_ms;
                        })->step_ms;
    INFO(devices << " devices, " << all.size() << " splits");
    REQUIRE_FALSE(found.best.empty());
    CHECK(found.best.front().step_ms == Approx(best));
    CHECK(std::is_sorted(found.best.begin(), found.best.end(), [](const auto& a, const auto& b) {
      return a.step_ms < b.step_ms * (1 - 1e-9);
    }));
    CHECK(found.best.size() <= request.best);
    // No lower bound exceeds the simulated step.
    SplitPricer pricer(request.model, request.batch, request.machine);
    for (const RankedSplit& split : all) {
      const SplitCosts costs = pricer.price(split.parallel, split.micro_batch);
      CHECK(costs.least_ms(split.microbatches) <= split.step_ms * (1 + 1e-9));
    }
  }
}

TEST_CASE("every split found makes a plan that is proven and holds the stated memory") {
  const SearchRequest request = small_request(8);
  for (const RankedSplit& split : search_splits(request).best) {
    BatchConfig batch = request.batch;
    batch.micro_batch = split.micro_batch;
    const TrainingPlan plan =
        make_plan(gpt(request.model, split.parallel.tensor), split.parallel, batch);
    CHECK(plan.verdict.proven);
    CHECK(plan.mesh.ranks() == 8);
    CHECK(plan.microbatches == split.microbatches);
    std::int64_t most = 0;
    for (const StageMemory& memory : plan.memory) {
      most = std::max(most, memory.total());
    }
    // The search pads arenas by chunk, the plan by stage.
    CHECK(static_cast<double>(split.memory) == Approx(static_cast<double>(most)).epsilon(0.01));
  }
}

TEST_CASE("splits that do not divide or fit are counted with their reason") {
  SearchRequest request = small_request(3);
  const SplitSearch found = search_splits(request);
  const auto reasons = [](const SplitSearch& search) {
    std::vector<std::string> names;
    for (const auto& [reason, count] : search.rejected) {
      CHECK(count > 0);
      names.push_back(reason);
    }
    return names;
  };
  CHECK_THAT(reasons(found),
             Catch::VectorContains(std::string("tensor does not divide the heads")));
  CHECK_THAT(reasons(found),
             Catch::VectorContains(std::string("data does not divide the global batch")));
  request = small_request(2);
  request.machine.memory_gib = 0.01;
  const SplitSearch none = search_splits(request);
  CHECK(none.best.empty());
  CHECK_THAT(reasons(none), Catch::VectorContains(
                                std::string("does not fit, even with one micro-batch at a time")));
}

TEST_CASE("with less memory the splits hold less and are slower") {
  SearchRequest request = small_request(4);
  const RankedSplit free = search_splits(request).best.front();
  request.machine.memory_gib = 0.9 * static_cast<double>(free.memory) / (1 << 30);
  const SplitSearch tight = search_splits(request);
  REQUIRE_FALSE(tight.best.empty());
  for (const RankedSplit& split : tight.best) {
    CHECK(split.memory <= request.machine.memory_bytes());
    CHECK(split.step_ms >= free.step_ms);
  }
}

TEST_CASE("Megatron's 8.3B on 64 and 512 devices: the splits are plausible") {
  ModelConfig model;
  model.preset = "megatron-8.3b";
  SearchRequest request{.model = resolved(model, 0),
                        .batch = {.global_batch = 512},
                        .devices = 64,
                        .machine = a100()};
  double slower = 0;
  for (const int devices : {64, 512}) {
    request.devices = devices;
    const SplitSearch found = search_splits(request);
    REQUIRE(found.best.size() == 10);
    const double flops = 6.0 * 8.3e9 * 512 * 1024;  // a lower bound: without attention and the head
    for (const RankedSplit& split : found.best) {
      CHECK(split.memory <= request.machine.memory_bytes());
      CHECK(split.parallel.pipeline * split.parallel.tensor * split.parallel.data == devices);
      CHECK(split.parallel.tensor <= 8);  // within a node
      const double reached = flops / (split.step_ms * 1e-3) / devices;
      CHECK(reached < request.machine.tflops * request.machine.efficiency * 1e12);
    }
    const double step = found.best.front().step_ms;
    CHECK(step > slower / 8 * 0.999);  // eight times the devices: at most eight times the speed
    slower = step;
  }
}

TEST_CASE("costs on a machine, by hand") {
  ModelConfig config;
  config.layers = 2;
  config.hidden = 64;
  config.heads = 4;
  config.sequence = 32;
  config.vocab = 256;
  const MachineConfig machine{.memory_gib = 1,
                              .tflops = 2,
                              .efficiency = 0.5,
                              .memory_gb_s = 1000,
                              .node_devices = 4,
                              .within_gb_s = 10,
                              .between_gb_s = 1};
  const ModelSpec model = gpt(config, 2);
  const std::vector<LayerCost> work(4, {.forward_flops = 3e9,
                                        .backward_input_flops = 4e9,
                                        .backward_weight_flops = 2e9,
                                        .forward_sum_bytes = 10'000'000,
                                        .backward_sum_bytes = 20'000'000,
                                        .stash_bytes = 500'000'000});
  const CostTable costs = costs_on(machine, {.model = model,
                                             .batch = {.global_batch = 8, .micro_batch = 2},
                                             .mesh = {.pipeline = 2, .tensor = 2, .data = 2},
                                             .work = work,
                                             .stage_gradient_bytes = 40'000'000,
                                             .tied_gradient_bytes = 5'000'000,
                                             .tied_apart = true,
                                             .stage_optimizer_bytes = 7'000'000'000});
  // 3 GFLOP at 1 TFLOP/s, 1 GB at 1000 GB/s, and twice half of 10 MB at 10 GB/s.
  CHECK(costs.chunks[0].forward == Approx(3 + 1 + 1));
  CHECK(costs.chunks[0].backward_input == Approx(4 + 1 + 2));
  CHECK(costs.chunks[0].backward_weight == Approx(2));
  CHECK(costs.reduce_data == Approx(4.0 / 2));  // within a node, two chunks a stage
  CHECK(costs.reduce_tied == Approx(5));        // between nodes
  CHECK(costs.reduce_tied_data == Approx(0.5));
  CHECK(costs.reductions_overlap);
  CHECK(costs.optimizer == Approx(7));
  CHECK(costs.transfer == Approx(4.0 * 2 * 32 * 64 / 1e6));  // 8 ranks: between nodes
}

TEST_CASE("the time of a message however small, by hand") {
  ModelConfig config;
  config.layers = 2;
  config.hidden = 64;
  config.heads = 4;
  config.sequence = 32;
  config.vocab = 256;
  const ModelSpec model = gpt(config, 4);
  MachineConfig machine{.memory_gib = 1,
                        .tflops = 1,
                        .efficiency = 1,
                        .memory_gb_s = 1,
                        .node_devices = 4,
                        .within_gb_s = 1,
                        .between_gb_s = 1};
  const std::int64_t activation = 4 * 2 * 32 * 64;
  // Two sums of an activation, and one that is smaller.
  const std::vector<LayerCost> work(
      4, {.forward_sum_bytes = 2 * activation + 100, .backward_sum_bytes = activation});
  const MachinePlan plan{.model = model,
                         .batch = {.global_batch = 12, .micro_batch = 2},
                         .mesh = {.pipeline = 2, .tensor = 4, .data = 3},
                         .work = work,
                         .stage_gradient_bytes = 1000,
                         .tied_gradient_bytes = 1000,
                         .tied_apart = true};
  const CostTable without = costs_on(machine, plan);
  machine.within_us = 5;
  machine.between_us = 20;
  const CostTable with = costs_on(machine, plan);
  const auto us = [](double more, double less) { return 1e3 * (more - less); };
  // Two levels of a tree over four ranks of one node, there and back.
  CHECK(us(with.chunks[0].forward, without.chunks[0].forward) == Approx(3 * 4 * 5));
  CHECK(us(with.chunks[0].backward_input, without.chunks[0].backward_input) == Approx(4 * 5));
  CHECK(us(with.reduce_data, without.reduce_data) == Approx(4 * 20));  // for each chunk
  CHECK(us(with.reduce_tied, without.reduce_tied) == Approx(2 * 20));
  CHECK(us(with.transfer, without.transfer) == Approx(20));
}

TEST_CASE("an unknown or incomplete machine is refused with the key") {
  CHECK_THROWS_WITH(resolved(MachineConfig{.preset = "abacus"}),
                    Contains("machine.preset") && Contains("a100-80g"));
  CHECK_THROWS_WITH(resolved(MachineConfig{.memory_gib = 3}),
                    Contains("machine.tflops is missing"));
  CHECK(resolved(MachineConfig{.preset = "h100", .tflops = 1}).tflops == 1);
  CHECK(resolved(MachineConfig{.preset = "h100"}).between_us > 0);
  CHECK(resolved(MachineConfig{.preset = "a100-80g"}, Precision::bf16).tflops ==
        16 * resolved(MachineConfig{.preset = "a100-80g"}).tflops);
}

}  // namespace
}  // namespace stagecraft
