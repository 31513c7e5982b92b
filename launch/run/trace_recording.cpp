#include "launch/run/trace_recording.h"

#include <memory>
#include <utility>

#include "launch/artifacts/rank_trace_file.h"
#include "launch/artifacts/run_directory.h"

namespace stagecraft {
namespace {

bool is_traced(const LaunchConfig& session, const MeshShape& mesh, int rank) {
  return session.trace_ranks == "all" || column_of(mesh, coordinate_of(mesh, rank)) == 0;
}

}  // namespace

void record_traces(RunConfig& config, const ResolvedRun& run,
                   std::function<void(int rank, const std::string& text)> say) {
  const LaunchConfig& session = run.settings.session;
  config.trace_steps = session.trace_file->empty() ? 0 : session.trace_steps;
  if (config.trace_steps == 0) {
    return;
  }
  config.trace_sink = [session, mesh = run.plan.mesh, files = config.files,
                       say = std::move(say)](int rank) -> std::unique_ptr<TraceSink> {
    if (!is_traced(session, mesh, rank)) {
      return nullptr;
    }
    return std::make_unique<RankTraceFile>(
        RankTraceOptions{.folder = traces_folder(session.directory),
                         .rank = rank,
                         .limit_mib = session.trace_limit_mib,
                         .files = files,
                         .say = [say, rank](const std::string& text) { say(rank, text); }});
  };
}

}  // namespace stagecraft
