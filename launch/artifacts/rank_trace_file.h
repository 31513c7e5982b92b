// RUN/traces/rank-N.jsonl, and RUN/traces/clocks.jsonl of rank 0: the trace of one rank, written
// while it runs. See docs/file_formats/rank_traces.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "actors/protocol/trace_sink.h"
#include "kernels/base/appended_file.h"
#include "kernels/base/file_system.h"

namespace stagecraft {

struct RankTraceOptions {
  std::filesystem::path folder;  // RUN/traces; made when the first line is written
  int rank = 0;
  int limit_mib = 1;  // of the rank's file, its last line included
  std::shared_ptr<FileSystem> files;
  /// Gets one sentence when the trace ends before the run. Must not wait.
  std::function<void(const std::string&)> say;
};

class RankTraceFile : public TraceSink {
 public:
  explicit RankTraceFile(RankTraceOptions options);

  bool add(const std::vector<Span>& spans) noexcept override;
  void add_clocks(const ClockReadings& readings) noexcept override;
  void end() noexcept override;

 private:
  void attempt(const std::function<void()>& write) noexcept;
  void append(std::string_view text);
  void reach_limit(std::int64_t step);
  std::int64_t bytes() const { return file_ ? file_->bytes() : 0; }

  RankTraceOptions options_;
  std::optional<AppendedFile> file_;    // opened by its first line
  std::optional<AppendedFile> clocks_;  // likewise
  bool ended_ = false;                  // the limit is reached, a write failed, or the rank ended
};

/// Paths in a run's folder of traces.
std::filesystem::path rank_trace_file(const std::filesystem::path& traces, int rank);
std::filesystem::path clocks_file(const std::filesystem::path& traces);

}  // namespace stagecraft
