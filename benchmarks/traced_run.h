// The trace of a benchmark's run, through files: actors may be processes.
#pragma once

#include <fmt/core.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "actors/protocol/run_config.h"
#include "launch/artifacts/rank_trace_file.h"
#include "launch/artifacts/rank_traces.h"
#include "launch/report/run_analysis.h"

namespace stagecraft::bench {

/// The same for all ranks of one mpirun on this host.
inline std::filesystem::path traces_path() {
  return std::filesystem::temp_directory_path() /
         fmt::format("stagecraft-benchmark-traces-{}", ::getppid());
}

/// Traces the first `steps` steps of all ranks.
inline void trace(RunConfig& config, std::int64_t steps) {
  config.trace_steps = steps;
  config.trace_sink = [files = config.files](int rank) {
    return std::make_unique<RankTraceFile>(
        RankTraceOptions{.folder = traces_path(),
                         .rank = rank,
                         .limit_mib = 1024,
                         .files = files,
                         .say = [](const std::string& text) { fmt::print(stderr, "{}\n", text); }});
  };
}

/// Analyses the run that has ended, and removes its files.
inline RunAnalysis traced(const TrainingPlan& plan, const LaunchConfig& session = {}) {
  const RunTrace trace = read_rank_traces(traces_path(), plan.mesh);
  std::filesystem::remove_all(traces_path());
  return analyse(plan, session, trace.ranks, 0);
}

}  // namespace stagecraft::bench
