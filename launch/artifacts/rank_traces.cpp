#include "launch/artifacts/rank_traces.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "launch/artifacts/rank_trace_file.h"
#include "launch/artifacts/trace_lines.h"

namespace stagecraft {
namespace fs = std::filesystem;
namespace {

/// Calls `take` with every line of a file. Returns whether the last one is torn: the process was
/// killed, or the disk was full, while it was written.
template <typename Take>
bool each_line(const fs::path& path, const Take& take) {
  const std::string text = read_file(path);
  std::size_t begin = 0;
  for (int number = 1; begin < text.size(); ++number) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) {
      return true;
    }
    try {
      take(parse_trace_line(std::string_view(text).substr(begin, end - begin)));
    } catch (const Error& error) {
      throw Error(path.string(), fmt::format("line {}: {}", number, error.text()));
    }
    begin = end + 1;
  }
  return false;
}

/// What a file without its last line lacks.
TraceEnd cut_off(const std::vector<Span>& spans, bool torn) {
  return {.lacks_from = spans.empty() ? 1 : spans.back().step,
          .why = fmt::format("its file has no end{}: the process was killed, or could not write it",
                             torn ? ", and a torn line, which is dropped" : "")};
}

void read_rank(const fs::path& path, const MeshShape& mesh, int rank, RunTrace& trace) {
  std::vector<Span> spans;
  std::optional<TraceEnd> end;
  const bool torn = each_line(path, [&](TraceLine line) {
    if (auto* span = std::get_if<Span>(&line)) {
      spans.push_back(std::move(*span));
    } else if (auto* last = std::get_if<TraceEnd>(&line)) {
      end = std::move(*last);
    }
  });
  if (!end) {
    end = cut_off(spans, torn);
  }
  if (end->lacks_from != 0) {
    trace.gaps.push_back({rank, end->lacks_from, end->why});
  }
  trace.ranks.push_back({rank, coordinate_of(mesh, rank), std::move(spans)});
}

/// The clocks of all ranks. A run that was killed has readings of its begin alone, which are then
/// used for its end too.
class Clocks {
 public:
  explicit Clocks(const fs::path& path) {
    if (!fs::exists(path)) {
      return;
    }
    each_line(path, [this](TraceLine line) {
      if (auto* clocks = std::get_if<ClockReadings>(&line)) {
        begin_ = clocks->at_end ? begin_ : clocks->readings;
        end_ = std::move(clocks->readings);
      }
    });
  }

  /// Without a reading, times stay as they are.
  void put_on_first_clock(RankSpans& rank) const {
    const auto at = static_cast<std::size_t>(rank.rank);
    if (at >= begin_.size() || at >= end_.size()) {
      return;
    }
    for (Span& span : rank.spans) {
      span.begin_ns = on_first_clock(span.begin_ns, begin_[at], end_[at]);
      span.end_ns = on_first_clock(span.end_ns, begin_[at], end_[at]);
    }
  }

 private:
  std::vector<ClockReading> begin_, end_;  // by rank
};

/// The files that are there, by rank.
std::vector<std::pair<int, fs::path>> files_in(const fs::path& traces, const MeshShape& mesh) {
  std::vector<std::pair<int, fs::path>> files;
  for (int rank = 0; rank < mesh.ranks(); ++rank) {
    if (fs::path path = rank_trace_file(traces, rank); fs::exists(path)) {
      files.emplace_back(rank, std::move(path));
    }
  }
  return files;
}

}  // namespace

std::int64_t rank_trace_bytes(const fs::path& traces, const MeshShape& mesh) {
  std::int64_t bytes = 0;
  for (const auto& [rank, path] : files_in(traces, mesh)) {
    bytes += static_cast<std::int64_t>(fs::file_size(path));
  }
  return bytes;
}

RunTrace read_rank_traces(const fs::path& traces, const MeshShape& mesh,
                          const std::function<void()>& between_files) {
  const Clocks clocks(clocks_file(traces));
  RunTrace trace;
  for (const auto& [rank, path] : files_in(traces, mesh)) {
    between_files();
    read_rank(path, mesh, rank, trace);
    clocks.put_on_first_clock(trace.ranks.back());
  }
  return trace;
}

}  // namespace stagecraft
