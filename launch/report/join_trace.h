// Joins the trace files of a run's ranks: to the trace of the run and to its summary.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "launch/artifacts/rank_traces.h"
#include "launch/config/settings.h"
#include "stages/plan/plan.h"

namespace stagecraft {

/// What a join may take. Nothing here: it has no bound.
struct JoinBounds {
  std::optional<std::int64_t> mib;  // of all rank files
  std::optional<std::chrono::seconds> time;
};

struct JoinedTrace {
  std::vector<TraceGap> gaps;
  bool has_summary = false;  // some step is complete on a rank of each stage
};

/// Reads RUN/traces of the run directory session.directory. Writes the measured and predicted spans
/// to session.trace_file, and RUN/trace_summary.json if a step is complete on one rank of each
/// stage. Throws what reading and writing throw, and Error when a bound is exceeded.
JoinedTrace join_trace(const TrainingPlan& plan, const LaunchConfig& session,
                       const JoinBounds& bounds);

/// The same for a run directory, without bounds, with the plan that its config.toml gives. Throws
/// BadInput if there is no trace or no complete step, and says what is missing.
void join_run(const std::filesystem::path& run);

/// "rank 2 lacks step 7 and later steps: WHY".
std::string gap_text(const TraceGap& gap);

/// For a run that has ended well: joins within bounds, and returns what the report says of the
/// trace; "" if none was asked for. The run's status stands before, so it throws nothing.
std::string join_at_end(const TrainingPlan& plan, const LaunchConfig& session);

}  // namespace stagecraft
