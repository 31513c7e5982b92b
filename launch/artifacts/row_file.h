// A file of rows that grows during a run: metrics.jsonl, state_hashes.jsonl.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "kernels/base/appended_file.h"

namespace stagecraft {

/// The first call that fails is the last one that reaches the file: a row behind a gap would look
/// as if none were missing. No call throws; a run goes on without rows. Safe from several threads.
class RowFile {
 public:
  /// The file is made, or continued, with the first row. `on_failure` is told once why no more rows
  /// are written. `files` must outlive it.
  RowFile(FileSystem& files, std::filesystem::path path,
          std::function<void(const std::string&)> on_failure);

  /// Makes the file if there is none.
  void open() noexcept;
  /// Writes one row. Readers of the file see it when the call returns.
  void add(const std::string& row) noexcept;
  /// Returns when all rows, and the file's name, are on the disk.
  void sync() noexcept;

 private:
  void attempt(const std::function<void()>& write) noexcept;
  AppendedFile& file();

  FileSystem& files_;
  std::filesystem::path path_;
  std::function<void(const std::string&)> on_failure_;
  std::mutex mutex_;
  std::optional<AppendedFile> file_;
  bool name_on_disk_ = false;
  bool ended_ = false;
};

}  // namespace stagecraft
