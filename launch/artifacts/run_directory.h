// The folder of a run's files.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace stagecraft {

/// The first of PARENT/NAME, PARENT/NAME-2, PARENT/NAME-3, ... that does not exist or is empty.
std::filesystem::path free_run_directory(const std::filesystem::path& parent,
                                         const std::string& name);

/// Paths within a run directory.
std::filesystem::path model_folder(const std::filesystem::path& run);
std::filesystem::path trace_summary_file(const std::filesystem::path& run);
std::filesystem::path progress_board_file(const std::filesystem::path& run);

/// Makes the folder. Unless keep() is called, the destructor removes everything that was made, so
/// that a run that never began leaves nothing behind.
class RunDirectory {
 public:
  /// Throws ConfigError with the key run.directory when the folder is not empty or cannot be
  /// written. Leaves nothing behind in that case.
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

/// Throws ConfigError with the key trace.file when no file can be made there later. Accepts "".
void check_trace_file(const std::string& file, const RunDirectory& directory);

}  // namespace stagecraft
