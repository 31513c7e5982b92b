// RUN/result.json: how a run has ended. See docs/file_formats/result.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/protocol/run_report.h"
#include "launch/artifacts/restarts_file.h"

namespace stagecraft {

enum class Outcome : std::uint8_t {
  finished,
  stopped,  // on request, before the last step, which is saved
  failed
};

/// "finished", "stopped" or "failed".
std::string_view outcome_name(Outcome outcome);

/// The exit status of a run: 0, 75 (EX_TEMPFAIL: run it again) or 1.
int exit_status(Outcome outcome);

struct RunOutcome {
  Outcome outcome = Outcome::finished;
  std::int64_t steps = 0;           // completed
  std::optional<double> loss = {};  // of the last step
  std::optional<double> validation_loss = {};
  std::int64_t validation_step = 0;  // that validation_loss belongs to
  std::string cause = {};            // the first cause of a failure
};

RunOutcome outcome_of(const RunResult& result);

/// A failed run whose driver could not say more: steps and losses are those of RUN/metrics.jsonl,
/// as far as its rows are whole.
RunOutcome failed_outcome(const std::filesystem::path& run, std::string cause);

/// The JSON object, over several lines; a restart is one line.
std::string result_json(const RunOutcome& outcome, const std::vector<Restart>& restarts = {});

/// Writes the file, with the rows of RUN/restarts.jsonl; it is whole or absent. Throws Error with
/// the path.
void write_result(const std::filesystem::path& run, const RunOutcome& outcome);

/// Outcome, steps and cause of RUN/result.json; empty when there is none. Throws Error with the
/// path for a file that does not say how the run has ended.
std::optional<RunOutcome> read_result(const std::filesystem::path& run);

}  // namespace stagecraft
