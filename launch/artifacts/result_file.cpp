#include "launch/artifacts/result_file.h"

#include <array>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "launch/artifacts/run_directory.h"

namespace stagecraft {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 3> kNames = {"finished", "stopped", "failed"};

Json number(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

std::int64_t integer_in(const Json& json, const char* name) {
  return json.contains(name) && json[name].is_number_integer() ? json[name].get<std::int64_t>() : 0;
}

std::string text_in(const Json& json, const char* name) {
  return json.contains(name) && json[name].is_string() ? json[name].get<std::string>() : "";
}

/// Takes over what a row of metrics.jsonl says.
void add_row(RunOutcome& outcome, const Json& row) {
  const std::int64_t step = row.value("step", std::int64_t{0});
  if (row.contains("loss") && row["loss"].is_number()) {
    outcome.steps = step;
    outcome.loss = row["loss"].get<double>();
  }
  if (row.contains("validation_loss") && row["validation_loss"].is_number()) {
    outcome.validation_step = step;
    outcome.validation_loss = row["validation_loss"].get<double>();
  }
}

}  // namespace

int exit_status(Outcome outcome) {
  constexpr std::array<int, 3> kStatus = {0, 75, 1};
  return kStatus.at(static_cast<std::size_t>(outcome));
}

RunOutcome outcome_of(const RunResult& result) {
  RunOutcome outcome{.outcome = !result.failure.empty() ? Outcome::failed
                                : result.stopped_early  ? Outcome::stopped
                                                        : Outcome::finished,
                     .steps = result.steps,
                     .validation_loss = result.validation_loss,
                     .validation_step = result.validation_step,
                     .cause = result.failure};
  if (result.steps > 0) {
    outcome.loss = result.loss;
  }
  return outcome;
}

RunOutcome failed_outcome(const std::filesystem::path& run, std::string cause) {
  RunOutcome outcome{.outcome = Outcome::failed, .cause = std::move(cause)};
  std::ifstream file(metrics_file(run));
  for (std::string line; std::getline(file, line);) {
    const Json row = Json::parse(line, nullptr, false);
    if (row.is_object()) {
      add_row(outcome, row);
    }
  }
  return outcome;
}

std::string_view outcome_name(Outcome outcome) {
  return kNames.at(static_cast<std::size_t>(outcome));
}

std::string result_json(const RunOutcome& outcome, const std::vector<Restart>& restarts) {
  const bool validated = outcome.validation_loss.has_value();
  const Json json = {{"outcome", outcome_name(outcome.outcome)},
                     {"steps", outcome.steps},
                     {"loss", number(outcome.loss)},
                     {"validation_loss", number(outcome.validation_loss)},
                     {"validation_step", validated ? Json(outcome.validation_step) : Json(nullptr)},
                     {"cause", outcome.cause.empty() ? Json(nullptr) : Json(outcome.cause)}};
  constexpr int kIndent = 2;
  std::string text = json.dump(kIndent, ' ', false, Json::error_handler_t::replace);
  text.resize(text.rfind('\n'));
  return text + ",\n  \"restarts\": " + restart_lines(restarts) + "\n}\n";
}

void write_result(const std::filesystem::path& run, const RunOutcome& outcome) {
  write_file(result_file(run), result_json(outcome, read_restarts(run)));
}

std::optional<RunOutcome> read_result(const std::filesystem::path& run) {
  const std::filesystem::path path = result_file(run);
  if (!std::filesystem::exists(path)) {
    return {};
  }
  const Json json = Json::parse(read_file(path), nullptr, false);
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (json.is_object() && json.contains("outcome") && json["outcome"] == kNames.at(i)) {
      return RunOutcome{.outcome = static_cast<Outcome>(i),
                        .steps = integer_in(json, "steps"),
                        .cause = text_in(json, "cause")};
    }
  }
  throw Error(path.string(), "does not say how the run has ended");
}

}  // namespace stagecraft
