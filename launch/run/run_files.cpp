#include "launch/run/run_files.h"

#include <fmt/format.h>

#include <utility>

#include "launch/artifacts/metrics_file.h"
#include "launch/artifacts/state_hashes_file.h"
#include "launch/format/print.h"

namespace stagecraft {
namespace {

/// A file system that does not answer delays the run only after this many steps.
constexpr std::size_t kMaxRows = 16384;

}  // namespace

RunFiles::Rows::Rows(RunFilesSetup& setup, const std::filesystem::path& path)
    : file(*setup.files, path, setup.say),
      queue(kMaxRows, LineQueue::WhenFull::wait,
            [this](LineQueue::Kind, const std::string& row) { file.add(row); }) {}

RunFiles::RunFiles(RunDirectory& directory, RunFilesSetup setup)
    : directory_(directory),
      setup_(std::move(setup)),
      metrics_(setup_, directory.metrics()),
      hashes_(setup_, state_hashes_file(directory.path())) {
  metrics_.file.open();
}

void RunFiles::on_start() { directory_.keep(); }

void RunFiles::on_step(const StepReport& report) {
  directory_.check_was_held();
  metrics_.add(metrics_line(report));
}

void RunFiles::on_state_hash(const StateHashReport& report) {
  hashes_.add(state_hashes_line(report, setup_.parameters));
  metrics_.add(metrics_line(report));
}

void RunFiles::on_evaluation_end(const EvaluationReport& report) {
  if (report.loss) {
    metrics_.add(metrics_line(report));
  }
}

void RunFiles::flush() {
  metrics_.queue.flush();
  hashes_.queue.flush();
}

void RunFiles::sync() {
  directory_.check_held();
  flush();
  metrics_.file.sync();
  hashes_.file.sync();
}

std::vector<std::string> parameter_names(const ModelSpec& model) {
  std::vector<std::string> names;
  for (const ParameterSpec& parameter : model.parameters()) {
    names.push_back(parameter.name);
  }
  return names;
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

}  // namespace stagecraft
