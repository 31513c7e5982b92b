// Measurements of one stage: spans, compute, communication and idle time, use of its stream, and
// peak memory. The priming step is not counted.
#pragma once

#include <cstdint>

#include "actors/protocol/messages.h"
#include "kernels/base/span.h"
#include "kernels/core/stream.h"

namespace stagecraft {

class StageStatistics {
 public:
  SpanRecorder& spans() { return spans_; }
  /// Starts a pass. `traced`: its spans are kept, not only added up.
  void begin_pass(bool traced);
  /// Discards all measurements so far.
  void start_over(Stream& stream);
  /// Totals from the first pass on. Idle time is the time without a compute, optimizer, transfer or
  /// collective span.
  StageEnded total(int rank, Stream& stream) const;

 private:
  SpanRecorder spans_;
  StreamUse use_before_;  // before the last start_over(); subtracted
  std::int64_t first_begin_ns_ = 0;
};

}  // namespace stagecraft
