// Runs of launch/train with processes and one fault, and checks of how they end. Shared by the test
// of one fault of each kind and by the long run (reliability.cpp).
#pragma once

#include <string>
#include <vector>

#include "tensor_parallel/sharding/mesh.h"
#include "tests/end_to_end/fault_words.h"

namespace stagecraft::test {

/// Whether no run of several processes can be started here. If so, it prints the words by which
/// ctest reports the entry as skipped.
bool skips_processes();

struct FaultyRun {
  FaultWords fault;  // the harness sets its file
  MeshShape mesh{.pipeline = 2, .tensor = 2, .data = 1};
  std::vector<std::string> sets = {};  // further "section.key=value"
  bool on_gpus = false;                // which the processes may share
  double more_seconds = 0;             // than are promised, where ranks have no cores of their own
};

struct FaultOutcome {
  int status = -1;       // of launch/train
  double seconds = 0;    // from the fault, or else from the start, to the end of the last process
  std::string position;  // the location of the fault, as the board writes it
  std::string out;       // what launch/train printed
  std::string err;
  std::string model;               // the bytes of model.safetensors, if it is there
  std::int64_t most_resident = 0;  // peak bytes of the largest rank, as far as sampled
  std::int64_t strangers = 0;      // foreign clients that connected
  std::string board;               // output of `stagecraft status` afterwards
  std::vector<std::string> wrong;  // violated expectations; empty: the run ended as it should
  std::string not_tried;           // why this machine cannot have the fault; nothing was run then
};

/// Starts the run, injects the fault, waits for the last process within the allowed time, and kills
/// the processes that are left.
FaultOutcome run_with_fault(const FaultyRun& run);

/// The whole outcome in one text, for a failed check.
std::string describe(const FaultyRun& run, const FaultOutcome& outcome);

}  // namespace stagecraft::test
