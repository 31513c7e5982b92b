// RUN/trace.json: the timeline of every actor in Chrome's trace format, which Perfetto reads. See
// docs/file_formats/trace.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "stages/explain/step_timeline.h"

namespace stagecraft {

/// One group of lanes per actor for its measured spans (pid = rank), and one for the `predicted`
/// spans (pid = `predicted_pid` + rank), drawn one below the other. One thread per lane (tid =
/// lane). Times are microseconds since `origin_ns`. A flow with both send and receive becomes an
/// arrow; other flows are left out.
std::string trace_json(const std::vector<RankSpans>& measured,
                       const std::vector<RankSpans>& predicted, int predicted_pid,
                       std::int64_t origin_ns);

}  // namespace stagecraft
