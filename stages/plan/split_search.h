// Searches the splits of a model over a number of devices for those with the shortest step.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/families/model_config.h"
#include "stages/plan/machine.h"
#include "stages/plan/plan_config.h"

namespace stagecraft {

struct SearchRequest {
  ModelConfig model;      // resolved
  BatchConfig batch;      // its micro_batch is ignored: the search chooses it
  int devices = 1;        //
  MachineConfig machine;  // resolved
  std::size_t best = 10;  // how many splits to return
};

struct RankedSplit {
  ParallelConfig parallel;
  std::int64_t micro_batch = 0;
  int microbatches = 0;
  double step_ms = 0;
  double bubble = 0;        // idle fraction, mean over stages
  std::int64_t memory = 0;  // of the stage that holds most
};

struct SplitSearch {
  std::vector<RankedSplit> best;  // by step time; among equals, less memory first
  std::int64_t considered = 0;
  std::int64_t simulated = 0;
  std::int64_t too_slow = 0;  // not simulated: their lower bound is above the best steps
  /// Why the others were rejected, and how many.
  std::vector<std::pair<std::string, std::int64_t>> rejected;
};

/// Considers all pipeline x tensor x data = devices, all schedules, up to 8 chunks per stage, and
/// all micro-batches that divide. Simulates candidates in the order of a lower bound of their step,
/// until no other one can be among the best. Drops a candidate if another schedule of the same
/// split is as fast and holds no more memory.
SplitSearch search_splits(const SearchRequest& request);

}  // namespace stagecraft
