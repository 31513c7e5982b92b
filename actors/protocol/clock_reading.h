// Conversion of times to one clock for the trace: every process has a steady clock of its own. Each
// rank's clock is compared with rank 0's at the start and at the end of a run. A time in between is
// converted by linear interpolation between both readings, which removes the drift.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/base/span.h"
#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

/// The offset of another clock: when rank 0's clock shows `at_ns`, it shows `at_ns + ahead_ns`.
struct ClockReading {
  std::int64_t at_ns = 0;
  std::int64_t ahead_ns = 0;
  std::int64_t error_ns = 0;  // the largest error of ahead_ns
};

/// Names the clock that a rank reads. Ranks of one host read one clock. The same on every rank.
using ClockOf = std::function<std::string(int rank)>;

/// Collective over `world`, on host tensors. Returns the readings by rank on rank 0, and an empty
/// vector on all others. The first rank of every clock takes part in a tree (rank_tree.h): it asks
/// each child a few times and keeps the answer with the shortest round trip, whose error is at most
/// half of that round trip. Offsets are added along the path from rank 0, and so are their errors.
/// `now` reads the caller's clock.
std::vector<ClockReading> read_clocks(Communicator& world, const ClockOf& clock_of,
                                      const std::function<std::int64_t()>& now = now_ns);

/// Converts a time of the other clock to rank 0's clock.
std::int64_t on_first_clock(std::int64_t time_ns, const ClockReading& begin,
                            const ClockReading& end);

}  // namespace stagecraft
