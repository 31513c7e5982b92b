#include "actors/stage/gather_tree.h"

#include <algorithm>
#include <utility>

#include "kernels/base/error.h"
#include "stages/board/progress_slot.h"

namespace stagecraft {

int gather_parent(int rank) { return rank & (rank - 1); }

int gather_size(int rank, int ranks) {
  const int lowest_digit = rank & -rank;
  return rank == 0 ? ranks : std::min(lowest_digit, ranks - rank);
}

ResultGather::ResultGather(int rank, int ranks) : rank_(rank), size_(gather_size(rank, ranks)) {}

std::optional<PassDone> ResultGather::add(const PassDone& part) {
  std::map<int, RankResults>& results = incomplete_[part.pass];
  for (const RankResults& of_rank : part.ranks) {
    require(of_rank.rank >= rank_ && of_rank.rank < rank_ + size_, "gather",
            "rank {} gathers results of {} ranks from its own on, and received those of rank {}",
            rank_, size_, of_rank.rank);
    require(results.emplace(of_rank.rank, of_rank).second, "gather",
            "rank {} has reported step {} twice", of_rank.rank, part.pass.step);
  }
  if (static_cast<int>(results.size()) < size_) {
    return {};
  }
  PassDone whole{part.pass, {}};
  for (auto& [rank, of_rank] : results) {
    whole.ranks.push_back(std::move(of_rank));
  }
  incomplete_.erase(part.pass);
  return whole;
}

}  // namespace stagecraft
