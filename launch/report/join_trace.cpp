#include "launch/report/join_trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <limits>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "launch/artifacts/output.h"
#include "launch/artifacts/run_directory.h"
#include "launch/artifacts/trace_file.h"
#include "launch/config/toml_reader.h"
#include "launch/report/run_analysis.h"
#include "launch/report/schedule_trace.h"
#include "launch/report/trace_summary.h"
#include "launch/setup/resolve.h"
#include "stages/explain/step_timeline.h"

namespace stagecraft {
namespace {

/// A run does not keep its devices for longer than this to join its trace.
constexpr JoinBounds kAtEnd{.mib = 64, .time = std::chrono::seconds(30)};

class JoinLimit {
 public:
  explicit JoinLimit(const JoinBounds& bounds) : bounds_(bounds) {}

  void check_size(const std::filesystem::path& traces, std::int64_t bytes) const {
    require(!bounds_.mib || bytes <= *bounds_.mib << 20, traces.string(),
            "has {} MiB, more than the {} that are joined at the end of a run", bytes >> 20,
            bounds_.mib.value_or(0));
  }
  void check_time() const {
    require(!bounds_.time || Clock::now() - begin_ <= *bounds_.time, "join",
            "it takes more than the {} s that it may take at the end of a run",
            bounds_.time.value_or(std::chrono::seconds(0)).count());
  }

 private:
  using Clock = std::chrono::steady_clock;
  JoinBounds bounds_;
  Clock::time_point begin_ = Clock::now();
};

/// When the first span began: the begin of the first step.
std::int64_t origin_of(const std::vector<RankSpans>& ranks) {
  std::int64_t origin = std::numeric_limits<std::int64_t>::max();
  for (const RankSpans& rank : ranks) {
    for (const Span& span : rank.spans) {
      origin = std::min(origin, span.begin_ns);
    }
  }
  return origin == std::numeric_limits<std::int64_t>::max() ? 0 : origin;
}

/// The prediction of the ranks that have a measurement.
std::vector<RankSpans> predicted_ranks(const TrainingPlan& plan, const RunAnalysis& analysis,
                                       const std::vector<RankSpans>& measured,
                                       std::int64_t origin_ns) {
  if (!analysis.prediction) {
    return {};
  }
  std::vector<PredictedStep> steps;
  for (const StepTimeline& step : analysis.steps) {
    steps.push_back({step.step, step.begin + static_cast<double>(origin_ns) * 1e-6});
  }
  std::vector<int> ranks;
  for (const RankSpans& rank : measured) {
    ranks.push_back(rank.rank);
  }
  return predicted_spans(plan.program, analysis.prediction->timeline, plan.mesh, ranks, steps);
}

/// What the report says of a trace that was joined.
std::string joined_text(const LaunchConfig& session, const JoinedTrace& joined) {
  std::string text =
      fmt::format("Trace     {} (open it at https://ui.perfetto.dev)\n", *session.trace_file);
  text += joined.has_summary
              ? fmt::format("Bubble    stagecraft explain {} shows the causes of idle time\n",
                            session.directory)
              : "          No step is complete on one rank of each stage\n";
  for (const TraceGap& gap : joined.gaps) {
    text += fmt::format("          {}\n", gap_text(gap));
  }
  return text;
}

}  // namespace

JoinedTrace join_trace(const TrainingPlan& plan, const LaunchConfig& session,
                       const JoinBounds& bounds) {
  const JoinLimit limit(bounds);
  const std::filesystem::path traces = traces_folder(session.directory);
  limit.check_size(traces, rank_trace_bytes(traces, plan.mesh));
  RunTrace trace = read_rank_traces(traces, plan.mesh, [&] { limit.check_time(); });
  require(!trace.ranks.empty(), traces.string(), "holds no trace of a rank");
  const std::int64_t origin_ns = origin_of(trace.ranks);
  const RunAnalysis analysis = analyse(plan, session, trace.ranks, origin_ns);
  limit.check_time();
  write_output(*session.trace_file,
               trace_json(trace.ranks, predicted_ranks(plan, analysis, trace.ranks, origin_ns),
                          plan.mesh.ranks(), origin_ns));
  limit.check_time();
  const bool has_summary = !analysis.steps.empty();
  if (has_summary) {
    write_file(trace_summary_file(session.directory), trace_summary(plan, analysis, trace.gaps));
  }
  return {std::move(trace.gaps), has_summary};
}

void join_run(const std::filesystem::path& run) {
  const std::filesystem::path traces = traces_folder(run);
  if (!std::filesystem::exists(traces)) {
    throw BadInput(fmt::format(
        "{} has no trace_summary.json and no traces; name the directory of a run that has traced a "
        "step (trace.steps, trace.file), such as runs/first_run",
        run.string()));
  }
  ConfigFile config = read_config(run / "config.toml", {});
  config.settings.session.directory = run.string();  // it may have moved
  config.settings.session.backend = "auto";          // this host may lack the run's devices
  const ResolvedRun resolved = resolve(config, 1);
  const JoinedTrace joined = join_trace(resolved.plan, resolved.settings.session, {});
  if (!joined.has_summary) {
    std::string text =
        fmt::format("{}: no step is complete on one rank of each stage", traces.string());
    for (const TraceGap& gap : joined.gaps) {
      text += "; " + gap_text(gap);
    }
    throw BadInput(text);
  }
}

std::string gap_text(const TraceGap& gap) {
  return fmt::format("rank {} lacks step {} and later steps: {}", gap.rank, gap.from_step, gap.why);
}

std::string join_at_end(const TrainingPlan& plan, const LaunchConfig& session) {
  if (session.trace_file->empty() || session.trace_steps == 0) {
    return "";
  }
  try {
    return joined_text(session, join_trace(plan, session, kAtEnd));
  } catch (const std::exception& error) {
    return fmt::format("Trace     not joined: {}\n          stagecraft explain {} joins it\n",
                       error.what(), session.directory);
  }
}

}  // namespace stagecraft
