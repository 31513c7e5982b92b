#include "actors/driver/evaluation.h"

#include <algorithm>

#include "kernels/base/error.h"

namespace stagecraft {

std::optional<PassRange> Evaluation::next() {
  const std::int64_t count = std::min(batches_ - ordered_, ahead_ - (ordered_ - done()));
  if (stopped_ || count <= 0) {
    return {};
  }
  const std::int64_t first = ordered_;
  ordered_ += count;
  return PassRange{PassKind::evaluate, step_, count, first};
}

void Evaluation::add(std::int64_t batch, const std::vector<RankResults>& ranks) {
  require(batch >= 0 && batch < ordered_, "evaluation",
          "batch {} was reported, and {} of {} are ordered", batch, ordered_, batches_);
  const auto [entry, added] = losses_.try_emplace(batch);
  require(added, "evaluation", "batch {} was reported twice", batch);
  for (const RankResults& results : ranks) {
    for (const std::uint64_t loss : results.losses) {
      entry->second.push_back(from_wire(loss));
    }
  }
}

double Evaluation::sum() const {
  double sum = 0;
  for (const auto& [batch, losses] : losses_) {
    for (const double loss : losses) {
      sum += loss;
    }
  }
  return sum;
}

}  // namespace stagecraft
