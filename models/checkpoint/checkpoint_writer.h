// The pieces of one rank in a checkpoint: rank-N.safetensors in the unfinished folder.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "kernels/base/file_system.h"
#include "models/parameters/parameter_state.h"

namespace stagecraft {

/// What a rank says of a piece that it has written. A large box becomes several pieces in the file
/// (checkpoint_layout.h).
struct WrittenPiece {
  std::string parameter;
  StateKind kind = StateKind::weight;
  Box box;
  std::uint64_t checksum = 0;  // XXH3 (64 bits)
};

struct CheckpointWriteOptions {
  /// Called before each write and each flush: progress for a watchdog, however large the file is.
  std::function<void()> on_progress = [] {};
};

class CheckpointWriter : public StateWriter {
 public:
  /// Makes the file with its header and its final size, the space reserved where the file system
  /// can. `pieces` are those that write() will bring, in this order; they may be gone after the
  /// call. `files` must outlive it. Every call throws Error "[FILE] ..."; after one that did, the
  /// writer is of no more use.
  CheckpointWriter(FileSystem& files, const std::filesystem::path& unfinished, int rank,
                   const std::vector<StatePiece>& pieces, CheckpointWriteOptions options = {});
  ~CheckpointWriter() override;
  void write(const StatePiece& piece, std::span<const float> values) override;
  /// Flushes the file and its name. Returns what it holds when all is on the disk. Call it after
  /// the last piece.
  std::vector<WrittenPiece> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The name of a rank's file.
std::string checkpoint_file_name(int rank);

/// The size of the file that holds these pieces.
std::int64_t checkpoint_file_bytes(const std::vector<StatePiece>& pieces);

}  // namespace stagecraft
