#include "actors/stage/stage_trace.h"

#include <utility>
#include <vector>

namespace stagecraft {

StageTrace::StageTrace(std::unique_ptr<TraceSink> sink, std::int64_t steps, std::int64_t first)
    : sink_(std::move(sink)),
      first_(first),
      last_(first + steps - 1),
      takes_more_(sink_ != nullptr) {}

bool StageTrace::records(const Pass& pass) const {
  return takes_more_ && traits(pass.kind).updates && pass.step >= first_ && pass.step <= last_;
}

void StageTrace::write(SpanRecorder& spans) {
  const std::vector<Span> complete = spans.take();
  if (takes_more_ && !complete.empty()) {
    takes_more_ = sink_->add(complete);
  }
}

void StageTrace::write(const ClockReadings& readings) {
  if (sink_) {
    sink_->add_clocks(readings);
  }
}

void StageTrace::end(SpanRecorder& spans) {
  write(spans);
  if (sink_) {
    sink_->end();
  }
  takes_more_ = false;
}

}  // namespace stagecraft
