// One file of a checkpoint.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "kernels/base/file_reader.h"
#include "models/checkpoint/checkpoint_manifest.h"
#include "models/checkpoint/safetensors.h"

namespace stagecraft {

/// Safe from several threads.
class CheckpointFileReader {
 public:
  /// Opens the file, and reads and checks its header: `pieces`, in any order, are all that it
  /// holds. Throws Error "[FILE] ...".
  CheckpointFileReader(FileSystem& files, const std::filesystem::path& folder,
                       const CheckpointFile& file, const std::vector<NamedShape>& pieces);
  /// Fills `bytes` with a piece's, and compares them with the checksum. Throws Error "[FILE] ..."
  /// with the piece's name; the bytes must not be used then. `on_progress` is called for each block
  /// that is read.
  void read(
      const std::string& piece, std::uint64_t checksum, std::span<std::byte> bytes,
      const std::function<void()>& on_progress = [] {}) const;

 private:
  std::string read_header(const std::vector<NamedShape>& pieces) const;

  std::string path_;
  FileReader file_;
  std::int64_t bytes_;
  SafetensorsLayout layout_;
};

}  // namespace stagecraft
