// Every process has a steady clock of its own; a trace has one. Rank 0's clock is read against each
// other rank's at the begin and at the end of a run, and a time in between is put on it by a
// straight line through both readings, which takes the drift out.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/base/span.h"
#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

/// Another clock shows `ahead_ns` more than rank 0's when rank 0's shows `at_ns`.
struct ClockReading {
  std::int64_t at_ns = 0;
  std::int64_t ahead_ns = 0;
};

/// Collective over `world`, in memory of the host. Rank 0 asks each rank a few times and keeps the
/// quickest answer, which is wrong by half of its round trip at most; others get nothing.
/// `same_clock(rank)` says, alike on rank 0 and on that rank, that it reads rank 0's very clock and
/// need not be asked.
std::vector<ClockReading> read_clocks(Communicator& world,
                                      const std::function<bool(int rank)>& same_clock);

/// A time of the other clock on rank 0's.
std::int64_t on_first_clock(std::int64_t time_ns, const ClockReading& begin,
                            const ClockReading& end);

}  // namespace stagecraft
