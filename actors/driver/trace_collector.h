// The spans of all ranks, as they come to the driver, on one clock.
#pragma once

#include <map>
#include <vector>

#include "actors/protocol/messages.h"

namespace stagecraft {

class TraceCollector {
 public:
  void add(const Spans& piece);
  void add(const ClockReadings& readings);
  /// A rank's spans on rank 0's clock. A run that failed has no readings of its end; then those of
  /// its begin have to do. Without any, times stay as they are.
  std::vector<Span> take(int rank);

 private:
  std::map<int, std::vector<Span>> spans_;       // by rank
  std::vector<ClockReading> at_begin_, at_end_;  // by rank
};

}  // namespace stagecraft
