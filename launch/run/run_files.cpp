#include "launch/run/run_files.h"

#include <fmt/format.h>

#include "launch/format/print.h"

namespace stagecraft {
namespace {

/// A file system that does not answer delays the run only after this many steps.
constexpr std::size_t kMaxRows = 16384;

}  // namespace

RunFiles::RunFiles(RunDirectory& directory)
    : directory_(directory),
      metrics_(directory.metrics()),
      rows_(kMaxRows, LineQueue::WhenFull::wait,
            [this](LineQueue::Kind, const std::string& row) { metrics_.add(row); }) {}

void RunFiles::on_start() { directory_.keep(); }

void RunFiles::on_step(const StepReport& report) {
  rows_.add(LineQueue::Kind::line, metrics_line(report));
}

void RunFiles::on_evaluation_end(const EvaluationReport& report) {
  if (report.loss) {
    rows_.add(LineQueue::Kind::line, metrics_line(report));
  }
}

bool record_outcome(const std::filesystem::path& run, const RunOutcome& outcome) {
  try {
    write_result(run, outcome);
    return true;
  } catch (const std::exception& error) {
    print_or_drop(stderr, fmt::format("{}\n", error.what()));
    return false;
  }
}

void finish_files(RunFiles& files, RunResult& result) {
  try {
    files.flush();
  } catch (const std::exception& error) {
    if (result.failure.empty()) {
      result.failure = error.what();
    }
  }
}

}  // namespace stagecraft
