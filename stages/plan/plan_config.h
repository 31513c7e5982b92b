// How the work is split: the [parallel] table, and the batch keys of [train].
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/core/precision.h"

namespace stagecraft {

struct ParallelConfig {
  int pipeline = 1;
  int tensor = 1;
  int data = 1;
  int chunks = 1;                            // runs of layers per stage
  std::string schedule = "1f1b";             // a name of schedule_names(), or "auto"
  double memory_gib = 0;                     // limit per rank; 0: no limit
  std::vector<std::int64_t> partition = {};  // transformer blocks per chunk; empty: by cost
};

struct BatchConfig {
  std::int64_t global_batch = 0;  // sequences per step over all data ranks
  std::int64_t micro_batch = 0;   // sequences of one micro-batch on one data rank
  Precision precision = Precision::float32;
  DType compute() const { return activation_dtype(precision); }
};

}  // namespace stagecraft
