#include "actors/protocol/clock_reading.h"

#include <cmath>
#include <map>

#include "actors/protocol/clock_tree.h"

namespace stagecraft {
namespace {

/// The clocks by name, numbered in the order of their first ranks.
class Clocks {
 public:
  Clocks(int ranks, const ClockOf& clock_of) {
    for (int rank = 0; rank < ranks; ++rank) {
      const auto [clock, is_new] =
          index_of_.emplace(clock_of(rank), static_cast<int>(first_ranks_.size()));
      if (is_new) {
        first_ranks_.push_back(rank);
      }
      clock_of_rank_.push_back(clock->second);
    }
  }
  const std::vector<int>& first_ranks() const { return first_ranks_; }
  int of_rank(int rank) const { return clock_of_rank_[static_cast<std::size_t>(rank)]; }
  bool is_first(int rank) const {
    return first_ranks_[static_cast<std::size_t>(of_rank(rank))] == rank;
  }

 private:
  std::map<std::string, int> index_of_;
  std::vector<int> first_ranks_;    // by clock
  std::vector<int> clock_of_rank_;  // by rank
};

}  // namespace

std::vector<ClockReading> read_clocks(Communicator& world, const ClockOf& clock_of,
                                      const std::function<std::int64_t()>& now) {
  const Clocks clocks(world.size(), clock_of);
  const int rank = world.rank();
  if (!clocks.is_first(rank)) {
    return {};
  }
  ClockTree tree(world, clocks.first_ranks(), clocks.of_rank(rank), now);
  const std::vector<ClockReading> by_clock = tree.read_subtree();
  if (rank != 0) {
    tree.report(by_clock);
    return {};
  }
  std::vector<ClockReading> readings;
  for (int other = 0; other < world.size(); ++other) {
    readings.push_back(by_clock[static_cast<std::size_t>(clocks.of_rank(other))]);
  }
  return readings;
}

std::int64_t on_first_clock(std::int64_t time_ns, const ClockReading& begin,
                            const ClockReading& end) {
  const auto span = static_cast<double>(end.at_ns - begin.at_ns);
  const auto drift = static_cast<double>(end.ahead_ns - begin.ahead_ns);
  // The line through both readings is evaluated on the other clock's axis: `along` is the position
  // of time_ns between the readings.
  const double along =
      span <= 0 ? 0
                : static_cast<double>(time_ns - (begin.at_ns + begin.ahead_ns)) / (span + drift);
  return time_ns - begin.ahead_ns - std::llround(along * drift);
}

}  // namespace stagecraft
