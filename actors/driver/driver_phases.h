// The phases of a run as the driver sees them. Each says what the driver waits for, and who has
// answered.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "actors/driver/answers.h"
#include "actors/driver/evaluation.h"
#include "actors/driver/hash_sums.h"

namespace stagecraft {

/// The ranks make their parameters: waits for Ready of each.
struct Starting {
  Answers ready;
  HashSums loaded;
};

/// The ranks run a training step (0: the priming step): waits for its PassDone.
struct Stepping {
  std::int64_t step = 0;
  std::int64_t begin_ns = 0;
  LossCounts counts = {};
};

/// The ranks run an evaluation: waits for PassDone of every ordered batch.
struct Evaluating {
  Evaluation evaluation;
  bool last = false;  // the model is written, and the run ends
};

/// The ranks write the model: waits for ModelWritten of each.
struct WritingModel {
  std::filesystem::path temporary;
  Answers written;
};

/// The last checkpoint is written: waits for what the ranks have still to say of their state.
struct Saving {};

/// The ranks end: waits for StageEnded of each, for a bounded time after a failure.
struct Ending {};

using DriverPhase = std::variant<Starting, Stepping, Evaluating, WritingModel, Saving, Ending>;

/// What the driver waits for, such as "the results of step 7".
std::string awaited_in(const DriverPhase& phase);

/// Checks that the results are those of all ranks, in ascending order. Throws Error otherwise.
void check_all_ranks(const std::vector<RankResults>& results, int ranks);

}  // namespace stagecraft
