// The progress board says where every rank of a run and its driver are, what they wait for, and why
// the run failed. Executors and the driver write it; failure monitors and watchdogs read it. All
// processes of one host share one board; of several hosts each has its own, and control messages
// bring it the rows of the others (actors/failure/board_relay.h). The file in the run directory can
// still be read when all processes of the run are dead.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/mapped_file.h"
#include "stages/board/progress_slot.h"
#include "tensor_parallel/sharding/mesh.h"

namespace stagecraft {

/// The constant facts of a run that its board states.
struct BoardInfo {
  MeshShape mesh = {};
  std::vector<int> stage_of_chunk = {};
  double watchdog_seconds = 30;
  int launcher_process = 0;  // on the board's host; 0: none
};

/// Why a run failed, as recorded by whoever noticed it first.
struct Cause {
  int culprit_rank = -1;  // -1: no rank of the run
  std::string text;
  std::int64_t wall_ns = 0;  // when it was recorded
};

class ProgressBoard {
 public:
  static constexpr std::size_t kCauseBytes = 1024;

  /// In memory, for the ranks of one process.
  explicit ProgressBoard(const BoardInfo& info);
  /// Mapped from a new file. The file gets its name once it is complete.
  static ProgressBoard create(const BoardInfo& info, const std::filesystem::path& path);
  /// Opens another process's board, for writing or read-only. Throws Error that names the file if
  /// it is missing, too short, not a board, or of another version.
  static ProgressBoard open(const std::filesystem::path& path, MappedFile::Access access);

  int ranks() const { return info_.mesh.ranks(); }
  const BoardInfo& info() const { return info_; }
  /// The two clocks of the board's host when the board was created.
  std::int64_t created_wall_ns() const;
  std::int64_t created_steady_ns() const;

  /// Throws Error on a board that was opened read-only.
  ProgressSlot& slot(int rank);
  const ProgressSlot& slot(int rank) const;
  /// The driver's row; it shares the heartbeat of rank 0, whose process it runs in.
  ProgressSlot& driver();
  const ProgressSlot& driver() const { return row(ranks()); }

  /// Records the first cause of a failure; true if this call did. Later calls change nothing. Never
  /// blocks; may be called by any thread of any process that can write. The text is cut at
  /// kCauseBytes.
  bool name_cause(int culprit_rank, std::string_view text);
  /// Empty until a cause is completely written.
  std::optional<Cause> cause() const;
  /// A rank was asked to stop the run after its step. May be called by a signal handler.
  void request_stop();
  bool stop_requested() const;
  /// A rank was asked for a checkpoint after its step. May be called by a signal handler.
  void request_save();
  /// Whether a checkpoint was asked for since the last call.
  bool take_save_request();
  /// Whether the recording of a cause has begun. If cause() stays empty, the process that was
  /// recording it died.
  bool failed() const;
  /// The file's bytes at this moment.
  std::string_view bytes() const { return {reinterpret_cast<const char*>(data_), size_}; }

 private:
  struct Header;
  struct Line {  // the alignment of the memory
    alignas(64) std::byte bytes[64];
  };

  explicit ProgressBoard(MappedFile file);
  static std::size_t bytes_of(const BoardInfo& info);
  void write_info();
  void read_info(const std::filesystem::path& path);
  Header& header() const;
  ProgressSlot& row(int index) const;
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
/// The rank and its location: "stage 1, rank 3, step 7, instruction 1RA3". Of another host's rank
/// the location is that of its last heartbeat, and says so: "... 1RA3 (0.4 s before)".
std::string location_text(const ProgressBoard& board, int rank);

}  // namespace stagecraft
