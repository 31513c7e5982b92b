#include "actors/driver/evaluation.h"

#include <algorithm>
#include <functional>
#include <utility>

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

void Evaluation::add(std::int64_t batch, const std::vector<RankResults>& ranks, LossCounts counts) {
  require(batch >= 0 && batch < ordered_, "evaluation",
          "batch {} was reported, and {} of {} are ordered", batch, ordered_, batches_);
  const auto [entry, added] = done_.try_emplace(batch);
  require(added, "evaluation", "batch {} was reported twice", batch);
  entry->second.counts = std::move(counts);
  for (const RankResults& results : ranks) {
    for (const std::uint64_t loss : results.losses) {
      entry->second.losses.push_back(from_wire(loss));
    }
  }
}

std::vector<double> Evaluation::means() const {
  LossSums sums;
  LossCounts counts;
  for (const auto& [number, batch] : done_) {
    sums.resize(batch.counts.size());
    counts.resize(batch.counts.size());
    add_losses(batch.losses, sums);
    std::transform(counts.begin(), counts.end(), batch.counts.begin(), counts.begin(),
                   std::plus<>());
  }
  return loss_means(sums, counts);
}

}  // namespace stagecraft
