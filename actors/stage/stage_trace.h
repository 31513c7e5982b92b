// The trace of one stage: which passes are recorded, and when their spans go to the sink.
#pragma once

#include <cstdint>
#include <memory>

#include "actors/protocol/trace_sink.h"
#include "kernels/base/span.h"
#include "stages/channels/pass.h"

namespace stagecraft {

class StageTrace {
 public:
  StageTrace() = default;
  /// Records `steps` training steps from `first` on. `sink` may be null: nothing is recorded.
  StageTrace(std::unique_ptr<TraceSink> sink, std::int64_t steps, std::int64_t first = 1);

  /// Whether the spans of a pass are to be kept.
  bool records(const Pass& pass) const;
  /// Moves the recorder's complete spans to the sink. Call it between two steps: the recorder then
  /// never holds more than a step's spans.
  void write(SpanRecorder& spans);
  void write(const ClockReadings& readings);
  /// Writes the rest. Nothing is recorded any more.
  void end(SpanRecorder& spans);

 private:
  std::unique_ptr<TraceSink> sink_;  // null: nothing is recorded
  std::int64_t first_ = 1;
  std::int64_t last_ = 0;
  bool takes_more_ = false;
};

}  // namespace stagecraft
