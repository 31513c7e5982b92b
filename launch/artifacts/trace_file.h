// RUN/trace.json: what every actor did, when, in Chrome's JSON as Perfetto reads it. See
// docs/file_formats/trace.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "actors/protocol/run_report.h"

namespace stagecraft {

std::string_view lane_name(Lane lane);

/// A group of lanes per actor for what it did (pid = rank), and one for what was `predicted` (pid =
/// number of ranks + rank), one below the other; one thread per lane (tid = lane), times in
/// microseconds from `origin_ns`. A flow that has both its send and its receive becomes an arrow;
/// others are left out.
std::string trace_json(const std::vector<RankReport>& measured,
                       const std::vector<RankReport>& predicted, std::int64_t origin_ns);

}  // namespace stagecraft
