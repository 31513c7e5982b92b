#include "launch/artifacts/rank_trace_file.h"

#include <fmt/format.h>

#include <utility>

#include "kernels/base/file.h"
#include "launch/artifacts/trace_lines.h"

namespace stagecraft {
namespace {

/// Room for the last line.
constexpr std::int64_t kLastLineBytes = 256;

std::int64_t bytes_of(int mib) { return std::int64_t{mib} << 20; }

AppendedFile open_file(FileSystem& files, const std::filesystem::path& path) {
  make_directories(files, path.parent_path());
  return {files, path};
}

}  // namespace

RankTraceFile::RankTraceFile(RankTraceOptions options) : options_(std::move(options)) {}

/// A failure ends the trace and nothing else.
void RankTraceFile::attempt(const std::function<void()>& write) noexcept {
  if (ended_) {
    return;
  }
  try {
    write();
  } catch (const std::exception& error) {
    ended_ = true;
    file_.reset();
    options_.say(fmt::format("the trace ends here, and the run goes on: {}", error.what()));
  }
}

bool RankTraceFile::add(const std::vector<Span>& spans) noexcept {
  attempt([&] {
    std::string text;
    for (const Span& span : spans) {
      const std::string line = trace_line(span);
      const auto size = bytes() + static_cast<std::int64_t>(text.size() + line.size());
      if (size > bytes_of(options_.limit_mib) - kLastLineBytes) {
        append(text);
        reach_limit(span.step);
        return;
      }
      text += line;
    }
    append(text);
  });
  return !ended_;
}

void RankTraceFile::add_clocks(const ClockReadings& readings) noexcept {
  try {
    if (!clocks_) {
      clocks_ = open_file(*options_.files, clocks_file(options_.folder));
    }
    clocks_->append(trace_line(readings));
  } catch (const std::exception& error) {
    options_.say(fmt::format("the trace lacks the clocks of other hosts: {}", error.what()));
  }
}

void RankTraceFile::end() noexcept {
  attempt([&] {
    append(trace_line(TraceEnd{}));
    ended_ = true;
  });
  file_.reset();
  clocks_.reset();
}

void RankTraceFile::append(std::string_view text) {
  if (!file_) {
    file_ = open_file(*options_.files, rank_trace_file(options_.folder, options_.rank));
  }
  file_->append(text);
}

void RankTraceFile::reach_limit(std::int64_t step) {
  const TraceEnd last{step, fmt::format("trace.limit_mib = {} is reached", options_.limit_mib)};
  append(trace_line(last));
  ended_ = true;
  file_.reset();
  options_.say(fmt::format("the trace lacks step {} and later steps: {}", step, last.why));
}

std::filesystem::path rank_trace_file(const std::filesystem::path& traces, int rank) {
  return traces / fmt::format("rank-{}.jsonl", rank);
}

std::filesystem::path clocks_file(const std::filesystem::path& traces) {
  return traces / "clocks.jsonl";
}

}  // namespace stagecraft
