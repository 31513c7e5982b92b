// Files in memory, as hosts see them over a network file system: what one writer wrote is seen by
// the others only after its flush.
#pragma once

#include <algorithm>
#include <cerrno>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kernels/base/error.h"
#include "kernels/base/file_system.h"

namespace stagecraft::test {

class MemoryFileSystem : public FileSystem {
 public:
  /// What a flush sends: the bytes that were written, or the whole pages around them, as a mapping
  /// does.
  enum class Flush { ranges, pages };

  explicit MemoryFileSystem(Flush flush = Flush::ranges) : flush_(flush) {}

  /// A directory that is there from the beginning.
  static Path root() { return "/memory"; }
  /// All files.
  std::vector<Path> paths() {
    const std::lock_guard lock(mutex_);
    std::vector<Path> all;
    for (const auto& [path, contents] : files_) {
      all.push_back(path);
    }
    return all;
  }

  std::unique_ptr<FileHandle> create(const Path& path, std::int64_t bytes) override {
    const std::lock_guard lock(mutex_);
    check_place(path, "cannot open");
    files_[path] = std::make_shared<std::string>(static_cast<std::size_t>(bytes), '\0');
    return std::make_unique<Handle>(*this, path);
  }
  std::unique_ptr<FileHandle> open(const Path& path) override {
    const std::lock_guard lock(mutex_);
    find(path);
    return std::make_unique<Handle>(*this, path);
  }
  std::unique_ptr<ReadHandle> open_for_reading(const Path& path) override {
    const std::lock_guard lock(mutex_);
    return std::make_unique<Reader>(*this, find(path));
  }
  std::string read(const Path& path) override {
    const std::lock_guard lock(mutex_);
    return *find(path);
  }
  std::int64_t size(const Path& path) override {
    const std::lock_guard lock(mutex_);
    return static_cast<std::int64_t>(find(path)->size());
  }
  bool exists(const Path& path) override {
    const std::lock_guard lock(mutex_);
    return files_.contains(path) || directories_.contains(path);
  }
  std::vector<std::string> list(const Path& path) override {
    const std::lock_guard lock(mutex_);
    if (!directories_.contains(path)) {
      throw_file_error(path, "cannot read", files_.contains(path) ? ENOTDIR : ENOENT);
    }
    std::set<std::string> names;
    for_each_in(path, [&](const Path& inside) { names.insert(inside.filename().string()); });
    return {names.begin(), names.end()};
  }
  void make_directory(const Path& path) override {
    const std::lock_guard lock(mutex_);
    if (!directories_.contains(path)) {
      if (files_.contains(path)) {
        throw_file_error(path, "cannot create the directory", EEXIST);
      }
      check_place(path, "cannot create the directory");
      directories_.insert(path);
    }
  }
  void rename(const Path& from, const Path& to) override {
    const std::lock_guard lock(mutex_);
    const std::string action = fmt::format("cannot take the place of {}", from.filename().string());
    if (directories_.contains(from)) {
      rename_directory(from, to, action);
      return;
    }
    if (!files_.contains(from)) {
      throw_file_error(to, action, ENOENT);
    }
    check_place(to, action);
    const Contents contents = files_.at(from);
    files_.erase(from);
    files_[to] = contents;
  }
  bool exchange(const Path& one, const Path& other) override {
    const std::lock_guard lock(mutex_);
    const std::string action =
        fmt::format("cannot exchange names with {}", one.filename().string());
    if (files_.contains(one) && files_.contains(other)) {
      std::swap(files_.at(one), files_.at(other));
      return true;
    }
    if (!directories_.contains(one) || !directories_.contains(other)) {
      throw_file_error(other, action, ENOENT);
    }
    const Path between = one.string() + ".exchanged";
    rename_directory(one, between, action);
    rename_directory(other, one, action);
    rename_directory(between, other, action);
    return true;
  }
  void remove(const Path& path) override {
    const std::lock_guard lock(mutex_);
    if (directories_.contains(path)) {
      throw_file_error(path, "cannot remove", EISDIR);
    }
    files_.erase(path);
  }
  void remove_directory(const Path& path) override {
    const std::lock_guard lock(mutex_);
    if (files_.contains(path)) {
      throw_file_error(path, "cannot remove", ENOTDIR);
    }
    check_empty(path, path, "cannot remove");
    directories_.erase(path);
  }
  void sync_directory(const Path& path) override {
    const std::lock_guard lock(mutex_);
    if (!directories_.contains(path)) {
      throw_file_error(path, "cannot open", ENOENT);
    }
  }

 private:
  using Contents = std::shared_ptr<std::string>;
  struct Range {
    std::size_t begin, end;
  };

  /// One writer's view of a file.
  class Handle : public FileHandle {
   public:
    Handle(MemoryFileSystem& files, const Path& path)
        : files_(files), shared_(files.files_.at(path)), mine_(*shared_) {}
    std::size_t write_some(std::int64_t offset, std::span<const std::byte> bytes) override {
      const auto begin = static_cast<std::size_t>(offset);
      const std::size_t end = begin + bytes.size();
      mine_.resize(std::max(mine_.size(), end));
      mine_.replace(begin, bytes.size(), reinterpret_cast<const char*>(bytes.data()), bytes.size());
      written_.push_back({begin, end});
      return bytes.size();
    }
    void sync() override {
      const std::lock_guard lock(files_.mutex_);
      shared_->resize(std::max(shared_->size(), mine_.size()));
      for (const Range& range : written_) {
        const Range sent = files_.sent(range, mine_.size());
        shared_->replace(sent.begin, sent.end - sent.begin, mine_, sent.begin,
                         sent.end - sent.begin);
      }
      written_.clear();
    }

   private:
    MemoryFileSystem& files_;
    Contents shared_;
    std::string mine_;
    std::vector<Range> written_;
  };

  class Reader : public ReadHandle {
   public:
    Reader(MemoryFileSystem& files, Contents contents)
        : files_(files), contents_(std::move(contents)) {}
    std::int64_t size() const override {
      const std::lock_guard lock(files_.mutex_);
      return static_cast<std::int64_t>(contents_->size());
    }
    std::size_t read_some(std::int64_t offset, std::span<std::byte> bytes) const override {
      const std::lock_guard lock(files_.mutex_);
      const std::size_t begin = std::min(static_cast<std::size_t>(offset), contents_->size());
      return contents_->copy(reinterpret_cast<char*>(bytes.data()), bytes.size(), begin);
    }

   private:
    MemoryFileSystem& files_;
    Contents contents_;
  };

  Range sent(const Range& range, std::size_t file_bytes) const {
    constexpr std::size_t kPage = 4096;
    return flush_ == Flush::ranges
               ? range
               : Range{range.begin / kPage * kPage,
                       std::min(file_bytes, (range.end + kPage - 1) / kPage * kPage)};
  }

  const Contents& find(const Path& path) const {
    require(!directories_.contains(path), path.string(), "is a directory, not a file");
    const auto found = files_.find(path);
    if (found == files_.end()) {
      throw_file_error(path, "cannot open", ENOENT);
    }
    return found->second;
  }

  /// Calls f(path) for all that lies directly in a directory.
  template <typename F>
  void for_each_in(const Path& directory, F f) const {
    for (const auto& [path, contents] : files_) {
      if (path.parent_path() == directory) {
        f(path);
      }
    }
    for (const Path& path : directories_) {
      if (path.parent_path() == directory && path != directory) {
        f(path);
      }
    }
  }

  void check_empty(const Path& directory, const Path& place, const std::string& action) const {
    for_each_in(directory,
                [&](const Path& /*inside*/) { throw_file_error(place, action, ENOTEMPTY); });
  }

  void rename_directory(const Path& from, const Path& to, const std::string& action) {
    if (files_.contains(to)) {
      throw_file_error(to, action, ENOTDIR);
    }
    if (!directories_.contains(to.parent_path())) {
      throw_file_error(to, action, ENOENT);
    }
    check_empty(to, to, action);
    std::vector<Path> inside;
    for_each_in(from, [&](const Path& path) { inside.push_back(path); });
    directories_.insert(to);
    for (const Path& path : inside) {
      const Path moved = to / path.filename();
      if (directories_.contains(path)) {
        rename_directory(path, moved, action);
      } else {
        files_[moved] = files_.extract(path).mapped();
      }
    }
    directories_.erase(from);
  }

  /// Throws unless a file can stand there.
  void check_place(const Path& path, const std::string& action) const {
    if (files_.contains(path.parent_path())) {
      throw_file_error(path, action, ENOTDIR);
    }
    if (!directories_.contains(path.parent_path())) {
      throw_file_error(path, action, ENOENT);
    }
    if (directories_.contains(path)) {
      throw_file_error(path, action, EISDIR);
    }
  }

  Flush flush_;
  std::mutex mutex_;
  std::map<Path, Contents> files_;
  std::set<Path> directories_{root()};
};

}  // namespace stagecraft::test
