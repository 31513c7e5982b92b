// What a run needs beside its plan.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "actors/protocol/run_options.h"
#include "models/data/token_dataset.h"
#include "models/optim/optimizer_config.h"
#include "stages/channels/channel.h"
#include "stages/execute/stage_work.h"

namespace stagecraft {

struct RunConfig {
  RunOptions options;
  OptimizerConfig optimizer;
  SampleOrder order = SampleOrder::shuffled;
  std::vector<Device> devices = {{}};    // taken by the ranks in turn
  int threads = 1;                       // per actor, on the CPU
  bool prime = false;                    // a step 0 that changes nothing comes first
  std::int64_t trace_steps = 0;          // spans of this many first steps are recorded
  std::filesystem::path model_folder;    // where the model is written at the end; empty: nowhere
  std::filesystem::path progress_board;  // file of the board; empty: in memory
  /// A seam for tests and benchmarks: wraps the work of a rank. Empty: the real work as it is.
  std::function<std::unique_ptr<StageWork>(int rank, std::unique_ptr<StageWork>)> wrap_work;
  /// A seam for tests: how often a rank sends an envelope. Empty: once.
  std::function<int(int rank, const Envelope&)> envelope_copies;
  /// A seam for tests: called in a process of rank `rank` before it opens its gate, while the
  /// others may have opened theirs.
  std::function<void(int rank)> before_listen;
};

/// Where a rank computes.
inline Device device_of(const RunConfig& config, int rank) {
  return config.devices.at(static_cast<std::size_t>(rank) % config.devices.size());
}

}  // namespace stagecraft
