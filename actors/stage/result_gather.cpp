#include "actors/stage/result_gather.h"

#include <utility>

#include "kernels/base/error.h"
#include "tensor_parallel/sharding/rank_tree.h"

namespace stagecraft {

ResultGather::ResultGather(int rank, int ranks) : rank_(rank), end_(tree_end(rank, ranks)) {}

std::optional<PassDone> ResultGather::add(const PassDone& part) {
  std::map<int, RankResults>& results = incomplete_[part.pass];
  for (const RankResults& of_rank : part.ranks) {
    require(of_rank.rank >= rank_ && of_rank.rank < end_, "gather",
            "rank {} gathers the results of ranks {} to {}, and received those of rank {}", rank_,
            rank_, end_ - 1, of_rank.rank);
    require(results.emplace(of_rank.rank, of_rank).second, "gather",
            "rank {} has reported step {} twice", of_rank.rank, part.pass.step);
  }
  if (static_cast<int>(results.size()) < end_ - rank_) {
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
