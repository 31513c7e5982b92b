// A file that grows while others may read it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <utility>

#include "kernels/base/file_system.h"
#include "kernels/base/file_writer.h"

namespace stagecraft {

/// What was appended is there for readers of this host at once and for those of others when the
/// file is closed. It is safe from a power failure after sync().
class AppendedFile {
 public:
  /// Makes the file empty, in place of an earlier one.
  AppendedFile(FileSystem& files, const std::filesystem::path& path)
      : file_(path, files.create(path, 0)) {}
  /// Goes on behind the contents of the file, and makes it if there is none.
  static AppendedFile continued(FileSystem& files, const std::filesystem::path& path) {
    return files.exists(path) ? AppendedFile({path, files.open(path)}, files.size(path))
                              : AppendedFile(files, path);
  }

  /// A failure may leave the first part of `text`. Nothing can be appended after it.
  void append(std::string_view text) {
    file_.write(bytes_, std::as_bytes(std::span(text)));
    bytes_ += static_cast<std::int64_t>(text.size());
  }
  /// A failure may have dropped what was appended. Nothing can be appended after it.
  void sync() { file_.sync(); }
  std::int64_t bytes() const { return bytes_; }

 private:
  AppendedFile(FileWriter file, std::int64_t bytes) : file_(std::move(file)), bytes_(bytes) {}

  FileWriter file_;
  std::int64_t bytes_ = 0;
};

}  // namespace stagecraft
