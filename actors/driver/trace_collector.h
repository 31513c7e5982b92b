// The driver collects the spans of all ranks and converts them to one clock.
#pragma once

#include <map>
#include <vector>

#include "actors/protocol/messages.h"

namespace stagecraft {

class TraceCollector {
 public:
  void add(const Spans& piece);
  void add(const ClockReadings& readings);
  /// Returns a rank's spans on rank 0's clock. A failed run has clock readings of its start only,
  /// which are then used alone. Without any reading, times are returned unchanged.
  std::vector<Span> take(int rank);

 private:
  std::map<int, std::vector<Span>> spans_;       // by rank
  std::vector<ClockReading> at_begin_, at_end_;  // by rank
};

}  // namespace stagecraft
