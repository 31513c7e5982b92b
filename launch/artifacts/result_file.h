// RUN/result.json: how a run has ended. See docs/file_formats/result.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "actors/protocol/run_report.h"

namespace stagecraft {

enum class Outcome : std::uint8_t {
  finished,
  stopped,  // on request, before the last step, with the model written
  failed
};

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

/// The JSON object, over several lines.
std::string result_json(const RunOutcome& outcome);

/// Writes the file; it is whole or absent. Throws Error with the path.
void write_result(const std::filesystem::path& run, const RunOutcome& outcome);

/// The outcome in RUN/result.json; empty when there is none. Throws Error with the path for a file
/// that says none.
std::optional<Outcome> read_outcome(const std::filesystem::path& run);

}  // namespace stagecraft
