#include "actors/driver/driver_phases.h"

#include <fmt/core.h>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

struct Awaited {
  std::string operator()(const Starting& /*phase*/) const { return "the ranks to start"; }
  std::string operator()(const Stepping& phase) const {
    return fmt::format("the results of step {}", phase.step);
  }
  std::string operator()(const Evaluating& phase) const {
    return fmt::format("the results of the evaluation after step {}", phase.evaluation.step());
  }
  std::string operator()(const WritingModel& /*phase*/) const { return "the model's parts"; }
  std::string operator()(const Saving& /*phase*/) const { return "the parts of a checkpoint"; }
  std::string operator()(const Ending& /*phase*/) const { return "the ranks to end"; }
};

}  // namespace

std::string awaited_in(const DriverPhase& phase) { return std::visit(Awaited{}, phase); }

void check_all_ranks(const std::vector<RankResults>& results, int ranks) {
  require(static_cast<int>(results.size()) == ranks, "protocol",
          "results of {} ranks have come, but there are {}", results.size(), ranks);
  for (int rank = 0; rank < ranks; ++rank) {
    const int found = results[static_cast<std::size_t>(rank)].rank;
    require(found == rank, "protocol", "the results of rank {} stand where those of rank {} should",
            found, rank);
  }
}

}  // namespace stagecraft
