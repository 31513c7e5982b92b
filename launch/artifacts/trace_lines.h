// The lines of RUN/traces: JSON objects. See docs/file_formats/rank_traces.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "actors/protocol/trace_sink.h"
#include "kernels/base/span.h"

namespace stagecraft {

std::string_view lane_name(Lane lane);

/// The last line of a rank's file.
struct TraceEnd {
  std::int64_t lacks_from = 0;  // the first step of which spans are missing; 0: none is missing
  std::string why = {};
};

using TraceLine = std::variant<Span, ClockReadings, TraceEnd>;

/// Each line ends in a newline.
std::string trace_line(const Span& span);
std::string trace_line(const ClockReadings& readings);
std::string trace_line(const TraceEnd& end);

/// Throws Error for a text that is no line of a trace.
TraceLine parse_trace_line(std::string_view line);

}  // namespace stagecraft
