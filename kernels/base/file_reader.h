// Reads parts of a file.
#pragma once

#include "kernels/base/file_system.h"

namespace stagecraft {

/// Safe from several threads.
class FileReader {
 public:
  FileReader(std::filesystem::path path, std::unique_ptr<ReadHandle> file);
  std::int64_t size() const { return file_->size(); }
  /// Fills `bytes` with those that begin at `offset`. Throws Error if the file ends before.
  void read(std::int64_t offset, std::span<std::byte> bytes) const;

 private:
  std::filesystem::path path_;
  std::unique_ptr<ReadHandle> file_;
};

}  // namespace stagecraft
