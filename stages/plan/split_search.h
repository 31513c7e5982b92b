// Searches the splits of a model over a number of devices for those whose step is shortest.
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
  BatchConfig batch;      // its micro_batch is searched for
  int devices = 1;        //
  MachineConfig machine;  // resolved
  std::size_t best = 10;  // how many to find
};

struct RankedSplit {
  ParallelConfig parallel;
  std::int64_t micro_batch = 0;
  int microbatches = 0;
  double step_ms = 0;
  double bubble = 0;        // idle share, mean over stages
  std::int64_t memory = 0;  // of the stage that holds most
};

struct SplitSearch {
  std::vector<RankedSplit> best;  // the shortest step first; among equals, the one that holds less
  std::int64_t considered = 0;
  std::int64_t simulated = 0;
  std::int64_t too_slow =
      0;  // whose lower bound of the step shows that they are not among the best
  /// Why others cannot run, and how many.
  std::vector<std::pair<std::string, std::int64_t>> rejected;
};

/// All of pipeline x tensor x data = devices, schedules, chunks a stage up to 8, and micro-batches
/// that divide. Split candidates are simulated in the order of a lower bound of their step, until
/// no other one can be among the best. Of several schedules of one split, those that another one is
/// as fast as and holds no more than are left out.
SplitSearch search_splits(const SearchRequest& request);

}  // namespace stagecraft
