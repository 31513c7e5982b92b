// Where every rank of a run is, what it waits for, and why the run failed: written by executors,
// read by the guards, and in a run's directory by whoever comes after everything has died.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/file.h"
#include "stages/board/progress_slot.h"
#include "tensor_parallel/sharding/mesh.h"

namespace stagecraft {

/// What a board says of its run from the begin.
struct BoardInfo {
  MeshShape mesh = {};
  std::vector<int> stage_of_chunk = {};
  double watchdog_seconds = 30;
  int launcher_process = 0;  // on rank 0's host; 0: none
};

/// Why a run failed, as whoever noticed first put it.
struct Cause {
  int culprit_rank = -1;  // -1: no rank of the run
  std::string text;
  std::int64_t wall_ns = 0;  // when it was named
};

class ProgressBoard {
 public:
  static constexpr std::size_t kCauseBytes = 1024;

  /// In memory, for the ranks of one process.
  explicit ProgressBoard(const BoardInfo& info);
  /// Mapped from a new file, which appears under its name when it is whole.
  static ProgressBoard create(const BoardInfo& info, const std::filesystem::path& path);
  /// Another process's board, to write or only to read. Throws Error naming the file when there is
  /// none, or one that is too short, not a board, or of another version.
  static ProgressBoard open(const std::filesystem::path& path, MappedFile::Access access);

  int ranks() const { return info_.mesh.ranks(); }
  const BoardInfo& info() const { return info_; }
  /// The two clocks of rank 0's host at the moment of creation.
  std::int64_t created_wall_ns() const;
  std::int64_t created_steady_ns() const;

  /// Not on a board that was opened to read.
  ProgressSlot& slot(int rank);
  const ProgressSlot& slot(int rank) const;

  /// Whether this is now the run's first cause; every later call changes nothing. Never waits; from
  /// any thread of any process that may write. A text beyond kCauseBytes is cut.
  bool name_cause(int culprit_rank, std::string_view text);
  /// Empty until a cause is there, whole.
  std::optional<Cause> cause() const;
  /// Somebody has begun to name a cause. Where cause() stays empty, it has died of it.
  bool failed() const;

 private:
  struct Header;
  struct Line {  // what memory is aligned to
    alignas(64) std::byte bytes[64];
  };

  explicit ProgressBoard(MappedFile file);
  static std::size_t bytes_of(const BoardInfo& info);
  void write_info();
  void read_info(const std::filesystem::path& path);
  Header& header() const;
  ProgressSlot& row(int rank) const;
  std::int32_t* chunk_table() const;

  std::optional<MappedFile> file_;
  std::unique_ptr<Line[]> memory_;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  bool writable_ = true;
  BoardInfo info_;
};

/// "stage 1, rank 3".
std::string rank_text(const MeshShape& mesh, int rank);
/// Who it is and where: "stage 1, rank 3, step 7, instruction 1RA3".
std::string place_text(const ProgressBoard& board, int rank);

}  // namespace stagecraft
