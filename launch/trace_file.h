// RUN/trace.json: what every actor did, when, in Chrome's JSON as Perfetto reads it. See
// docs/file_formats/trace.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "actors/run_training.h"
#include "launch/run_settings.h"

namespace stagecraft {

std::string_view lane_name(Lane lane);

/// One process per actor (pid = rank), one thread per lane (tid = lane), times in microseconds from
/// `origin_ns`. A flow that has both its send and its receive becomes an arrow; others are left
/// out.
std::string trace_json(const std::vector<RankReport>& ranks, std::int64_t origin_ns);

/// Writes it where the settings want it, if they do.
void write_trace(const RunSettings& settings, const RunResult& result);

}  // namespace stagecraft
