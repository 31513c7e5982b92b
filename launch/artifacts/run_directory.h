// The folder that holds all that a run leaves.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace stagecraft {

/// PARENT/NAME, or the first of PARENT/NAME-2, PARENT/NAME-3, ... that is not there or empty.
std::filesystem::path free_run_directory(const std::filesystem::path& parent,
                                         const std::string& name);

/// What lies where in a run directory.
std::filesystem::path model_folder(const std::filesystem::path& run);
std::filesystem::path trace_summary_file(const std::filesystem::path& run);
std::filesystem::path progress_board_file(const std::filesystem::path& run);

/// Makes the folder; until keep() is called its destructor takes back everything that was made, so
/// that a run which never began leaves nothing.
class RunDirectory {
 public:
  /// Throws ConfigError with the key run.directory when the folder is not empty or cannot be
  /// written; nothing is left then.
  RunDirectory(std::filesystem::path path, std::string_view resolved_config);
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  void keep() { kept_ = true; }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path model() const { return model_folder(path_); }
  std::filesystem::path metrics() const { return path_ / "metrics.jsonl"; }

 private:
  void make_folders();
  void take_back() noexcept;

  std::filesystem::path path_;
  std::vector<std::filesystem::path> made_;  // folders, outermost first
  bool kept_ = false;
};

/// Throws ConfigError with the key trace.file unless a file can be made there later. "" is fine.
void check_trace_file(const std::string& file, const RunDirectory& directory);

}  // namespace stagecraft
