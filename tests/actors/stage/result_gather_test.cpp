// Results reach rank 0 along a tree: few messages for each rank, and nothing is lost or doubled.
#include "actors/stage/result_gather.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "tensor_parallel/sharding/rank_tree.h"

namespace stagecraft {
namespace {

/// The gathering of one pass on all ranks of a run, without actors.
class Gathering {
 public:
  explicit Gathering(int ranks) : received_(static_cast<std::size_t>(ranks), 0) {
    for (int rank = 0; rank < ranks; ++rank) {
      gathers_.emplace_back(rank, ranks);
    }
  }

  void report(int rank) { add(rank, {{}, {{rank, {to_wire(rank)}, {}}}}); }

  const std::vector<PassDone>& whole() const { return whole_; }
  int received(int rank) const { return received_[static_cast<std::size_t>(rank)]; }

 private:
  void add(int rank, const PassDone& part) {
    const auto complete = gathers_[static_cast<std::size_t>(rank)].add(part);
    if (!complete) {
      return;
    }
    if (rank == 0) {
      whole_.push_back(*complete);
      return;
    }
    ++received_[static_cast<std::size_t>(tree_parent(rank))];
    add(tree_parent(rank), *complete);
  }

  std::vector<ResultGather> gathers_;
  std::vector<int> received_;
  std::vector<PassDone> whole_;
};

}  // namespace

TEST_CASE("all results arrive once, by rank, whoever reports first") {
  for (const int ranks : {1, 2, 3, 5, 8, 12}) {
    for (const bool upwards : {true, false}) {
      Gathering gathering(ranks);
      for (int i = 0; i < ranks; ++i) {
        CHECK(gathering.whole().empty());
        gathering.report(upwards ? i : ranks - 1 - i);
      }
      REQUIRE(gathering.whole().size() == 1);
      const std::vector<RankResults>& results = gathering.whole().front().ranks;
      REQUIRE(static_cast<int>(results.size()) == ranks);
      for (int rank = 0; rank < ranks; ++rank) {
        CHECK(results[static_cast<std::size_t>(rank)].rank == rank);
        CHECK(from_wire(results[static_cast<std::size_t>(rank)].losses.at(0)) == rank);
      }
    }
  }
}

TEST_CASE("of 1,024 ranks no rank receives more than ten messages a pass") {
  constexpr int kRanks = 1024;
  Gathering gathering(kRanks);
  for (int rank = 0; rank < kRanks; ++rank) {
    gathering.report(rank);
  }
  int most = 0;
  for (int rank = 0; rank < kRanks; ++rank) {
    most = std::max(most, gathering.received(rank));
  }
  CHECK(most == 10);
  CHECK(gathering.received(0) == 10);
}

TEST_CASE("passes are gathered apart") {
  ResultGather gather(0, 2);
  CHECK_FALSE(gather.add({{PassKind::evaluate, 3, 0}, {{0, {}, {}}}}));
  CHECK_FALSE(gather.add({{PassKind::evaluate, 3, 1}, {{0, {}, {}}}}));
  CHECK(gather.add({{PassKind::evaluate, 3, 1}, {{1, {}, {}}}}).has_value());
  CHECK(gather.add({{PassKind::evaluate, 3, 0}, {{1, {}, {}}}}).has_value());
}

TEST_CASE("a rank of another subtree and a second answer are refused") {
  ResultGather gather(2, 4);
  CHECK_THROWS_WITH(gather.add({{}, {{1, {}, {}}}}),
                    "[gather] rank 2 gathers the results of ranks 2 to 3, and received those of "
                    "rank 1");
  CHECK_FALSE(gather.add({{PassKind::train, 7, 0}, {{3, {}, {}}}}));
  CHECK_THROWS_WITH(gather.add({{PassKind::train, 7, 0}, {{3, {}, {}}}}),
                    "[gather] rank 3 has reported step 7 twice");
}

}  // namespace stagecraft
