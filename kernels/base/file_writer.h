// Fills a file.
#pragma once

#include "kernels/base/file_system.h"

namespace stagecraft {

/// Writes at offsets, whole, and flushes. The first call that fails is the last one that reaches
/// the file: a later flush could report success without the bytes that the system dropped.
class FileWriter {
 public:
  FileWriter(std::filesystem::path path, std::unique_ptr<FileHandle> file);
  /// Continues writes that were short.
  void write(std::int64_t offset, std::span<const std::byte> bytes);
  void sync();

 private:
  void begin_call();

  std::filesystem::path path_;
  std::unique_ptr<FileHandle> file_;
  bool broken_ = false;  // a call failed, or has not returned
};

}  // namespace stagecraft
