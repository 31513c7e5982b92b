// The configuration of a run besides its plan.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/protocol/run_options.h"
#include "actors/protocol/trace_sink.h"
#include "kernels/base/posix_file_system.h"
#include "models/checkpoint/checkpoint_config.h"
#include "models/checkpoint/checkpoint_source.h"
#include "models/data/token_dataset.h"
#include "models/optim/optimizer_config.h"
#include "stages/channels/channel.h"
#include "stages/execute/stage_work.h"

namespace stagecraft {

struct RunConfig {
  RunOptions options;
  OptimizerConfig optimizer;
  SampleOrder order = SampleOrder::shuffled;
  std::vector<Device> devices = {{}};  // assigned to the ranks round-robin
  int threads = 1;                     // per actor, on the host
  bool prime = false;                  // run a priming step first
  std::int64_t trace_steps = 0;        // record spans of this many first steps
  MakeTraceSink trace_sink;            // empty: no trace; on all ranks or on none
  std::filesystem::path model_folder;  // where the model is written at the end; empty: nowhere
  CheckpointConfig checkpoint;
  std::filesystem::path checkpoints;  // directory of the run's checkpoints; empty: none
  /// The checkpoint that the run goes on from; null: the run begins with step 1.
  std::shared_ptr<const CheckpointSource> resume;
  std::int64_t state_hash_every = 0;     // steps; 0: no rows of hashes
  std::filesystem::path progress_board;  // file of the board; empty: in memory
  /// Asked once a step, before its update is ordered, and after every batch of an evaluation. True:
  /// this step is the last, and the evaluation is cut short. Not asked again then. Empty: never.
  std::function<bool()> stop_requested;
  /// Asked once a step. True: a checkpoint follows this step, and the run goes on. Empty: never.
  std::function<bool()> save_requested;
  /// Threads of one process: ends it at once, when the run has failed and an actor, an observer or
  /// the driver never returns. Empty: the process stays.
  std::function<void(const std::string& cause)> end_process;
  /// A seam for tests: where the model's folder lies.
  std::shared_ptr<FileSystem> files = std::make_shared<PosixFileSystem>();
  /// A seam for tests and benchmarks: wraps the work of a rank. Empty: the work is not wrapped.
  std::function<std::unique_ptr<StageWork>(int rank, std::unique_ptr<StageWork>)> wrap_work;
  /// A seam for tests: how often a rank sends an envelope. Empty: once.
  std::function<int(int rank, const Envelope&)> envelope_copies;
  /// A seam for tests: called in the process of rank `rank` before it listens; other ranks may
  /// listen already.
  std::function<void(int rank)> before_listen;
};

/// The device of a rank.
inline Device device_of(const RunConfig& config, int rank) {
  return config.devices.at(static_cast<std::size_t>(rank) % config.devices.size());
}

}  // namespace stagecraft
