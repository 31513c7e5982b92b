#include "launch/artifacts/row_file.h"

#include <fmt/format.h>

#include <utility>

#include "kernels/base/file.h"

namespace stagecraft {

RowFile::RowFile(FileSystem& files, std::filesystem::path path,
                 std::function<void(const std::string&)> on_failure)
    : files_(files), path_(std::move(path)), on_failure_(std::move(on_failure)) {}

void RowFile::open() noexcept {
  attempt([&] { file(); });
}

void RowFile::add(const std::string& row) noexcept {
  attempt([&] { file().append(row + "\n"); });
}

void RowFile::sync() noexcept {
  attempt([&] {
    if (!file_) {
      return;
    }
    file_->sync();
    if (!name_on_disk_) {
      files_.sync_directory(directory_of(path_));
      name_on_disk_ = true;
    }
  });
}

AppendedFile& RowFile::file() {
  return file_ ? *file_ : file_.emplace(AppendedFile::continued(files_, path_));
}

void RowFile::attempt(const std::function<void()>& write) noexcept {
  const std::lock_guard lock(mutex_);
  if (ended_) {
    return;
  }
  try {
    write();
  } catch (const std::exception& error) {
    ended_ = true;
    file_.reset();
    on_failure_(fmt::format("{} has no more rows from here on, and the run goes on: {}",
                            path_.filename().string(), error.what()));
  }
}

}  // namespace stagecraft
