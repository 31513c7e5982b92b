// What a stage measures of itself: spans, where its time went, how its stream was used and the most
// memory that it held. A priming step is left out.
#pragma once

#include <cstdint>
#include <vector>

#include "actors/protocol/messages.h"
#include "kernels/base/span.h"
#include "kernels/core/stream.h"

namespace stagecraft {

class StageStatistics {
 public:
  SpanRecorder& spans() { return spans_; }
  /// A pass begins. `traced`: its spans are kept, not only added up.
  void begin_pass(bool traced);
  /// Nothing that was measured until now counts.
  void start_over(Stream& stream);
  /// What was kept, in pieces of at most Spans::kMax.
  std::vector<Spans> take_spans(int rank);
  /// Of everything from the first pass on; waiting is the time in which no span was.
  StageEnded total(int rank, Stream& stream) const;

 private:
  SpanRecorder spans_;
  StreamUse use_before_;  // what does not count
  std::int64_t first_begin_ns_ = 0;
};

}  // namespace stagecraft
