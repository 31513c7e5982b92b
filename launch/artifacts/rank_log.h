// RUN/logs/rank-N.log: one line format for all ranks, "TIME UTC LEVEL rank R stage S TEXT", on the
// clock and in the zone of the progress board.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

namespace stagecraft {

/// Safe from any thread. A line that cannot be written is lost: a log never ends a run.
class RankLog {
 public:
  /// Makes the folder and the file of this rank. Throws Error with the path.
  RankLog(const std::filesystem::path& folder, int rank, int stage);
  ~RankLog();
  RankLog(const RankLog&) = delete;
  RankLog& operator=(const RankLog&) = delete;

  void info(std::string_view text);
  void error(std::string_view text);

  /// Redirects the process's stdout and stderr to the log file.
  void take_output();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stagecraft
