// Conversion of times to one clock for the trace: every process has a steady clock of its own. Each
// rank's clock is compared with rank 0's at the start and at the end of a run. A time in between is
// converted by linear interpolation between both readings, which removes the drift.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/base/span.h"
#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

/// The offset of another clock: when rank 0's clock shows `at_ns`, it shows `at_ns + ahead_ns`.
struct ClockReading {
  std::int64_t at_ns = 0;
  std::int64_t ahead_ns = 0;
};

/// Collective over `world`, on host tensors. Rank 0 asks each rank a few times and keeps the answer
/// with the shortest round trip, whose error is at most half of that round trip. Other ranks return
/// an empty vector. `same_clock(rank)`: the rank reads the same clock as rank 0 and is not asked.
/// It must return the same on rank 0 and on that rank.
std::vector<ClockReading> read_clocks(Communicator& world,
                                      const std::function<bool(int rank)>& same_clock);

/// Converts a time of the other clock to rank 0's clock.
std::int64_t on_first_clock(std::int64_t time_ns, const ClockReading& begin,
                            const ClockReading& end);

}  // namespace stagecraft
