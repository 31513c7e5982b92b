// A file that grows while others may read it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "kernels/base/file_system.h"
#include "kernels/base/file_writer.h"

namespace stagecraft {

/// Made empty, in place of an earlier one. Nothing is flushed to the disk: what was appended is
/// there for readers of this host at once and for those of others when the file is closed, but is
/// not safe from a power failure.
class AppendedFile {
 public:
  AppendedFile(FileSystem& files, const std::filesystem::path& path)
      : file_(path, files.create(path, 0)) {}

  /// A failure may leave the first part of `text`. Nothing can be appended after it.
  void append(std::string_view text) {
    file_.write(bytes_, std::as_bytes(std::span(text)));
    bytes_ += static_cast<std::int64_t>(text.size());
  }
  std::int64_t bytes() const { return bytes_; }

 private:
  FileWriter file_;
  std::int64_t bytes_ = 0;
};

}  // namespace stagecraft
