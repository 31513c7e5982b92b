// One evaluation as the driver sees it: which of its batches are ordered, and the losses of those
// that have answered. Batches are ordered a few at a time, so that a stop cuts the evaluation short
// at the same batch on every rank.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "actors/driver/loss_means.h"
#include "actors/protocol/messages.h"

namespace stagecraft {

class Evaluation {
 public:
  /// At most `ahead` batches are ordered and not yet answered.
  Evaluation(std::int64_t step, std::int64_t batches, std::int64_t ahead)
      : step_(step), batches_(batches), ahead_(ahead) {}

  /// The next batches to order. Empty while enough are under way, and when none is left.
  std::optional<PassRange> next();
  /// Adds the results of all ranks, by rank, for one batch, in which the losses count `counts`.
  /// Throws Error for a batch that was not ordered, or was added already.
  void add(std::int64_t batch, const std::vector<RankResults>& ranks, LossCounts counts);
  /// No further batch is ordered.
  void stop() { stopped_ = true; }

  std::int64_t step() const { return step_; }
  std::int64_t batches() const { return batches_; }
  std::int64_t done() const { return static_cast<std::int64_t>(done_.size()); }
  /// Every ordered batch has answered, and no further one is ordered.
  bool has_ended() const { return done() == ordered_ && (stopped_ || ordered_ == batches_); }
  /// Every batch has answered.
  bool is_whole() const { return done() == batches_; }
  /// Of each loss, over the samples of the batches that have answered. The losses are added by
  /// batch, then rank, then micro-batch.
  std::vector<double> means() const;

 private:
  struct Batch {
    std::vector<double> losses;  // by rank and micro-batch
    LossCounts counts;
  };

  std::int64_t step_;
  std::int64_t batches_;
  std::int64_t ahead_;
  std::int64_t ordered_ = 0;
  bool stopped_ = false;
  std::map<std::int64_t, Batch> done_;  // by batch
};

}  // namespace stagecraft
