// Fills a large file in blocks of which none takes long.
#pragma once

#include <functional>

#include "kernels/base/file_writer.h"

namespace stagecraft {

struct BlockWriteOptions {
  /// Called before each write and each flush: progress for a watchdog, however large the file is.
  std::function<void()> on_progress = [] {};
  /// At most this many bytes are written in one call.
  std::int64_t write_bytes = std::int64_t{8} << 20;
  /// At most this many bytes are written between two flushes. Fewer where the disk is slow.
  std::int64_t flush_bytes = std::int64_t{64} << 20;
};

/// A flush lasts some tenths of a second: how many bytes are written before the next one follows
/// from how long the last one took.
class BlockWriter {
 public:
  BlockWriter(FileWriter file, BlockWriteOptions options);
  void write(std::int64_t offset, std::span<const std::byte> bytes);
  /// Returns when all that was written is on the disk.
  void sync();

 private:
  FileWriter file_;
  BlockWriteOptions options_;
  std::int64_t unflushed_ = 0;  // bytes
  std::int64_t block_;          // bytes before the next flush
};

}  // namespace stagecraft
