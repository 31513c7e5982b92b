// Reads RUN/traces, also of a run that was killed. See docs/file_formats/rank_traces.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "stages/explain/step_timeline.h"
#include "tensor_parallel/sharding/mesh.h"

namespace stagecraft {

/// A rank whose trace ends before the traced steps do.
struct TraceGap {
  int rank = 0;
  std::int64_t from_step = 0;  // the first step of which spans may be missing
  std::string why;
};

struct RunTrace {
  std::vector<RankSpans> ranks;  // those that have a file, in order, on rank 0's clock
  std::vector<TraceGap> gaps;
};

/// The size of the files of all traced ranks.
std::int64_t rank_trace_bytes(const std::filesystem::path& traces, const MeshShape& mesh);

/// A last line that was not written whole is dropped. `between_files` is called before each file is
/// read, and may throw. Throws Error "[PATH] line N: ..." for a file with anything but lines of a
/// trace.
RunTrace read_rank_traces(
    const std::filesystem::path& traces, const MeshShape& mesh,
    const std::function<void()>& between_files = [] {});

}  // namespace stagecraft
