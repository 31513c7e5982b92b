// A span of what a stream does: on a device the time of the work, not of its issue.
#pragma once

#include <string_view>

#include "kernels/base/span.h"
#include "kernels/core/stream.h"

namespace stagecraft {

/// From construction to end(); both outlive the recorder's settle().
class StreamSpan {
 public:
  StreamSpan(SpanRecorder& recorder, Stream& stream)
      : recorder_(recorder), stream_(stream), begin_(stream.mark_time()) {}

  void end(Lane lane, std::string_view name, std::uint64_t flow = 0) {
    recorder_.add_later(lane, name, flow,
                        [&stream = stream_, begin = begin_, end = stream_.mark_time()] {
                          return std::pair(stream.time_of(begin), stream.time_of(end));
                        });
  }

 private:
  SpanRecorder& recorder_;
  Stream& stream_;
  TimeMark begin_;
};

}  // namespace stagecraft
