// The folder of a run's files.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "launch/artifacts/run_claim.h"

namespace stagecraft {

/// The first of PARENT/NAME, PARENT/NAME-2, PARENT/NAME-3, ... that does not exist.
std::filesystem::path free_run_directory(const std::filesystem::path& parent,
                                         const std::string& name);

/// Those that are there, in this order.
std::vector<std::filesystem::path> run_directories(const std::filesystem::path& parent,
                                                   const std::string& name);

/// Throws ConfigError with the key run.directory for a folder that a living run holds.
void check_is_unheld(const std::filesystem::path& folder);

/// Paths within a run directory.
std::filesystem::path config_file(const std::filesystem::path& run);
std::filesystem::path model_folder(const std::filesystem::path& run);
std::filesystem::path metrics_file(const std::filesystem::path& run);
std::filesystem::path state_hashes_file(const std::filesystem::path& run);
std::filesystem::path restarts_file(const std::filesystem::path& run);
std::filesystem::path result_file(const std::filesystem::path& run);
std::filesystem::path traces_folder(const std::filesystem::path& run);
std::filesystem::path trace_summary_file(const std::filesystem::path& run);
std::filesystem::path checkpoints_folder(const std::filesystem::path& run);
std::filesystem::path progress_board_file(const std::filesystem::path& run);
/// What the N-th start of a run that went on left.
std::filesystem::path earlier_folder(const std::filesystem::path& run, int number);

/// Who asks for a run directory: the configuration's name, and the process that is to hold it.
struct RunHolder {
  std::string_view run;
  int process = 0;  // 0: this one
};

/// A folder that this run alone holds (run_claim.h). Unless keep() is called, the destructor
/// removes everything that the run made, so that a run that never began leaves nothing behind.
/// Whatever fails is a ConfigError with the key run.directory, and leaves nothing behind.
class RunDirectory {
 public:
  /// Makes the folder. One that is there already has to be empty.
  explicit RunDirectory(std::filesystem::path path, const RunHolder& holder = {});
  /// Claims the folder of an earlier run, which goes on. It is kept.
  static RunDirectory reopened(std::filesystem::path path, const RunHolder& holder);
  /// Makes the first of PARENT/NAME, PARENT/NAME-2, ... that is not there.
  static RunDirectory first_free(const std::filesystem::path& parent, const std::string& name,
                                 const RunHolder& holder);
  /// Takes the folder over from the process that called hand_on(). That of an earlier run is kept.
  static RunDirectory taken_over(std::filesystem::path path, std::string_view token,
                                 const RunHolder& holder);
  ~RunDirectory();
  RunDirectory(RunDirectory&&) noexcept = default;
  RunDirectory& operator=(RunDirectory&&) = delete;

  void write_config(std::string_view resolved_config);
  void keep() { kept_ = true; }
  /// Throw Error if another run has taken the folder over (RunClaim::is_replaced, was_replaced).
  void check_held() const;
  void check_was_held() const;
  /// The run has ended: nobody holds the folder any more.
  void release() noexcept;
  /// Leaves the folder to the holder, for taken_over().
  void hand_on() noexcept;

  const std::filesystem::path& path() const { return path_; }
  /// Tells the claim of the folder from every other.
  const std::string& token() const { return claim_->token(); }
  /// The folders that were made, outermost first.
  const std::vector<std::filesystem::path>& made() const { return made_; }
  std::filesystem::path model() const { return model_folder(path_); }
  std::filesystem::path metrics() const { return metrics_file(path_); }

 private:
  RunDirectory() = default;
  ClaimRecord record_of(const RunHolder& holder) const;
  bool claim(const RunHolder& holder);
  void take_back() noexcept;

  std::filesystem::path path_;
  std::vector<std::filesystem::path> made_;
  std::unique_ptr<RunClaim> claim_;  // null: another process holds the folder
  bool kept_ = false;
};

/// Throws ConfigError with the key trace.file when no file can be made there later. Accepts "".
void check_trace_file(const std::string& file);

}  // namespace stagecraft
