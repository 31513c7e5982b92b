#include "actors/driver/trace_collector.h"

#include <utility>

namespace stagecraft {

void TraceCollector::add(const Spans& piece) {
  std::vector<Span>& all = spans_[piece.rank];
  all.insert(all.end(), piece.spans.begin(), piece.spans.end());
}

void TraceCollector::add(const ClockReadings& readings) {
  (readings.at_end ? at_end_ : at_begin_) = readings.readings;
}

std::vector<Span> TraceCollector::take(int rank) {
  std::vector<Span> spans = std::exchange(spans_[rank], {});
  const std::vector<ClockReading>& ends = at_end_.empty() ? at_begin_ : at_end_;
  const auto at = static_cast<std::size_t>(rank);
  if (at < ends.size()) {
    for (Span& span : spans) {
      span.begin_ns = on_first_clock(span.begin_ns, at_begin_[at], ends[at]);
      span.end_ns = on_first_clock(span.end_ns, at_begin_[at], ends[at]);
    }
  }
  return spans;
}

}  // namespace stagecraft
