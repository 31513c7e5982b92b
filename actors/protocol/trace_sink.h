// Where the spans of a rank go while it runs.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "actors/protocol/clock_reading.h"
#include "kernels/base/span.h"

namespace stagecraft {

/// One comparison of all ranks' clocks with rank 0's.
struct ClockReadings {
  bool at_end = false;                 // false: before the first step
  std::vector<ClockReading> readings;  // by rank
};

/// The trace of one rank, used by its thread. No call throws, since a trace that cannot be kept
/// changes nothing else in the run: it ends there, and the implementation says so.
class TraceSink {
 public:
  virtual ~TraceSink() = default;
  /// Takes complete spans, each once. Returns whether it takes more: if not, the rank records no
  /// more, and later spans are dropped.
  virtual bool add(const std::vector<Span>& spans) noexcept = 0;
  /// Called on rank 0 alone, at the begin and at the end of the run.
  virtual void add_clocks(const ClockReadings& readings) noexcept = 0;
  /// The rank has ended. When this returns, others can read the whole trace.
  virtual void end() noexcept = 0;
};

/// Makes the sink of a rank, in the rank's process. Null: the rank is not traced.
using MakeTraceSink = std::function<std::unique_ptr<TraceSink>(int rank)>;

}  // namespace stagecraft
