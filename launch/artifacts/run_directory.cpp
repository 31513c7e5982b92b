#include "launch/artifacts/run_directory.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/base/file.h"

namespace stagecraft {
namespace fs = std::filesystem;
namespace {

bool is_free(const fs::path& path) {
  std::error_code failed;
  return !fs::exists(path, failed) ||
         (fs::is_directory(path, failed) && fs::is_empty(path, failed));
}

}  // namespace

fs::path free_run_directory(const fs::path& parent, const std::string& name) {
  fs::path path = parent / name;
  for (int number = 2; !is_free(path); ++number) {
    path = parent / fmt::format("{}-{}", name, number);
  }
  return path;
}

fs::path model_folder(const fs::path& run) { return run / "model"; }

fs::path trace_summary_file(const fs::path& run) { return run / "trace_summary.json"; }

fs::path progress_board_file(const fs::path& run) { return run / "progress"; }

RunDirectory::RunDirectory(fs::path path, std::string_view resolved_config)
    : path_(std::move(path)) {
  if (!is_free(path_)) {
    throw ConfigError("run.directory",
                      fmt::format("run.directory {} is not an empty folder; empty it, or choose "
                                  "another with --set run.directory=PATH",
                                  path_.string()));
  }
  try {
    make_folders();
    write_file(path_ / "config.toml", resolved_config);
  } catch (const std::exception& error) {
    take_back();
    throw ConfigError("run.directory",
                      fmt::format("run.directory {} cannot be written: {}; choose another with "
                                  "--set run.directory=PATH",
                                  path_.string(), error.what()));
  }
}

RunDirectory::~RunDirectory() {
  if (!kept_) {
    take_back();
  }
}

void RunDirectory::make_folders() {
  std::vector<fs::path> missing;
  for (fs::path folder = fs::absolute(path_); !fs::exists(folder); folder = folder.parent_path()) {
    missing.push_back(folder);
  }
  std::reverse(missing.begin(), missing.end());
  for (const fs::path& folder : missing) {
    fs::create_directory(folder);
    made_.push_back(folder);
  }
}

/// Removes all files in the run's folder: this run made them, since the folder was empty. Removes
/// parent folders that this run made if they are empty.
void RunDirectory::take_back() noexcept {
  std::error_code ignored;
  std::vector<fs::path> entries;
  for (fs::directory_iterator entry(path_, ignored), end; entry != end; entry.increment(ignored)) {
    entries.push_back(entry->path());
  }
  for (const fs::path& entry : entries) {
    fs::remove_all(entry, ignored);
  }
  std::reverse(made_.begin(), made_.end());
  for (const fs::path& folder : made_) {
    fs::remove(folder, ignored);
  }
  made_.clear();
}

void check_trace_file(const std::string& file, const RunDirectory& directory) {
  if (file.empty()) {
    return;
  }
  const fs::path path(file);
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  std::error_code failed;
  if (fs::equivalent(folder, directory.path(), failed)) {
    return;
  }
  const char* reason = fs::is_directory(path, failed)        ? "it is a folder"
                       : !fs::is_directory(folder, failed)   ? "its folder does not exist"
                       : ::access(folder.c_str(), W_OK) != 0 ? "its folder cannot be written"
                                                             : nullptr;
  if (reason != nullptr) {
    throw ConfigError("trace.file", fmt::format("trace.file {} cannot be written: {}; choose "
                                                "another, or \"\" for no trace",
                                                file, reason));
  }
}

}  // namespace stagecraft
