// Runs of launch/train whose ranks are processes and that something befalls, and whether they end
// as they should. Shared by the test of one fault each and by the long run (reliability.cpp).
#pragma once

#include <string>
#include <vector>

#include "tensor_parallel/sharding/mesh.h"
#include "tests/end_to_end/fault_words.h"

namespace stagecraft::test {

/// Whether the program was built for runs of several processes, and may be run here.
bool can_run_processes();

struct FaultyRun {
  FaultWords fault;  // the harness gives the file
  MeshShape mesh{.pipeline = 2, .tensor = 2, .data = 1};
  std::vector<std::string> sets = {};  // further "section.key=value"
  bool on_gpus = false;                // which the processes may share
};

struct FaultOutcome {
  int status = -1;  // of launch/train
  double seconds =
      0;  // from the fault, or the start where there is none, to the last process's end
  std::string coordinate;  // where it struck, as the board says it
  std::string out;         // what launch/train printed
  std::string err;
  std::string model;               // the bytes of model.safetensors, if it is there
  std::int64_t most_resident = 0;  // bytes of the largest rank, ever, as far as was looked
  std::int64_t strangers = 0;      // that connected to gates
  std::string board;               // what `stagecraft status` says afterwards
  std::vector<std::string> wrong;  // what should not be so: empty when all is well
  std::string not_tried;           // why this machine cannot have the fault; then nothing was run
};

/// Starts the run, has the fault befall it, waits for its last process no longer than is allowed,
/// and ends what is left then.
FaultOutcome run_with_fault(const FaultyRun& run);

/// Everything about an outcome in one text, for a failed check.
std::string describe(const FaultyRun& run, const FaultOutcome& outcome);

}  // namespace stagecraft::test
