// The phases of a run as the driver sees them. Each says what the driver waits for, and who has
// answered.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "actors/driver/evaluation.h"

namespace stagecraft {

/// Which ranks have answered. Every rank answers once.
class Answers {
 public:
  explicit Answers(int ranks) : has_answered_(static_cast<std::size_t>(ranks)) {}
  /// Returns true when no rank is missing. Throws Error for an unknown rank or a second answer.
  bool add(int rank, std::string_view what);
  bool has(int rank) const { return has_answered_.at(static_cast<std::size_t>(rank)); }
  bool complete() const { return count_ == has_answered_.size(); }

 private:
  std::vector<bool> has_answered_;
  std::size_t count_ = 0;
};

/// The ranks make their parameters: waits for Ready of each.
struct Starting {
  Answers ready;
};

/// The ranks run a training step (0: the priming step): waits for its PassDone.
struct Stepping {
  std::int64_t step = 0;
  std::int64_t begin_ns = 0;
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

/// The ranks end: waits for StageEnded of each, for a bounded time after a failure.
struct Ending {};

using DriverPhase = std::variant<Starting, Stepping, Evaluating, WritingModel, Ending>;

/// What the driver waits for, such as "the results of step 7".
std::string awaited_in(const DriverPhase& phase);

/// Checks that the results are those of all ranks, in ascending order. Throws Error otherwise.
void check_all_ranks(const std::vector<RankResults>& results, int ranks);

}  // namespace stagecraft
