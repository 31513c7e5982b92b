// RUN/logs/rank-N.log: one line format for all ranks, "TIME LEVEL rank R stage S TEXT".
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

namespace stagecraft {

/// Safe from any thread. A line that the disk does not take is lost; a log ends no run.
class RankLog {
 public:
  /// Makes the folder and the file of this rank. Throws Error naming the path.
  RankLog(const std::filesystem::path& folder, int rank, int stage);
  ~RankLog();
  RankLog(const RankLog&) = delete;
  RankLog& operator=(const RankLog&) = delete;

  void info(std::string_view text);
  void error(std::string_view text);

  /// From now on what the process prints lands in the log's file too.
  void take_output();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stagecraft
