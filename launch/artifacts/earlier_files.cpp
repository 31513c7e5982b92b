#include "launch/artifacts/earlier_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "launch/artifacts/restarts_file.h"
#include "launch/artifacts/result_file.h"
#include "launch/artifacts/run_directory.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;

bool is_kept(std::string_view row, const KeptRows& kept) {
  const auto json = nlohmann::json::parse(row, nullptr, false);
  if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer()) {
    return false;
  }
  const auto step = json["step"].get<std::int64_t>();
  const bool due = kept.evaluation_due && step == kept.step && json.contains("validation_loss");
  return step <= kept.step && !due;
}

/// The length of the rows that are kept. The last line counts only with its end.
std::size_t kept_length(std::string_view text, const KeptRows& kept) {
  std::size_t length = 0;
  for (std::size_t end = 0; (end = text.find('\n', length)) != std::string_view::npos;) {
    if (!is_kept(text.substr(length, end - length), kept)) {
      break;
    }
    length = end + 1;
  }
  return length;
}

/// What every start makes anew.
bool is_made_anew(const std::string& name) {
  const auto starts = {"result.json", "traces", "trace.json", "trace_summary.json", "model"};
  return std::find(starts.begin(), starts.end(), name) != starts.end() || name == "progress" ||
         name.starts_with("progress.");
}

std::vector<fs::path> made_anew(const fs::path& run) {
  std::vector<fs::path> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(run)) {
    if (is_made_anew(entry.path().filename().string())) {
      found.push_back(entry.path());
    }
  }
  return found;
}

fs::path next_folder(const fs::path& run) {
  int number = 1;
  while (fs::exists(earlier_folder(run, number))) {
    ++number;
  }
  return earlier_folder(run, number);
}

Restart restart_of(const fs::path& run, std::int64_t from_step) {
  const std::optional<RunOutcome> result = read_result(run);
  const RunOutcome earlier = result ? *result : failed_outcome(run, "");
  return {.from_step = from_step,
          .earlier = result ? std::string(outcome_name(earlier.outcome)) : "killed",
          .steps = earlier.steps,
          .cause = earlier.cause};
}

/// The result goes last: until then the run has ended as it says.
void move_files(const fs::path& run, std::vector<std::string>& notes) {
  std::vector<fs::path> files = made_anew(run);
  if (files.empty()) {
    return;
  }
  std::stable_partition(files.begin(), files.end(),
                        [&](const fs::path& file) { return file != result_file(run); });
  const fs::path folder = next_folder(run);
  fs::create_directories(folder);
  for (const fs::path& file : files) {
    fs::rename(file, folder / file.filename());
  }
  notes.push_back(fmt::format("what the earlier start left is in {}", folder.string()));
}

void cut(const fs::path& file, const KeptRows& kept, std::vector<std::string>& notes) {
  const std::int64_t rows = cut_rows(file, kept);
  if (rows > 0) {
    notes.push_back(fmt::format("{} row{} behind step {} {} removed from {}", rows,
                                rows == 1 ? "" : "s", kept.step, rows == 1 ? "was" : "were",
                                file.string()));
  }
}

}  // namespace

std::int64_t cut_rows(const fs::path& file, const KeptRows& kept) {
  if (!fs::exists(file)) {
    return 0;
  }
  const std::string text = read_file(file);
  const std::size_t length = kept_length(text, kept);
  if (length == text.size()) {
    return 0;
  }
  std::error_code failed;
  fs::resize_file(file, length, failed);
  require(!failed, file.string(), "cannot be shortened: {}", failed.message());
  const std::string_view rest = std::string_view(text).substr(length);
  return std::count(rest.begin(), rest.end(), '\n') + (rest.back() == '\n' ? 0 : 1);
}

std::vector<std::string> prepare_files(const fs::path& run, const KeptRows& kept) {
  std::vector<std::string> notes;
  add_restart(run, restart_of(run, kept.step));
  cut(metrics_file(run), kept, notes);
  cut(state_hashes_file(run), kept, notes);
  try {
    move_files(run, notes);
  } catch (const fs::filesystem_error& error) {
    throw Error(run.string(), error.what());
  }
  return notes;
}

}  // namespace stagecraft
