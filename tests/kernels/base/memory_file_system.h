// Files in memory, as hosts see them over a network file system: what one writer wrote is seen by
// the others only after its flush.
#pragma once

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
  std::string read(const Path& path) override {
    const std::lock_guard lock(mutex_);
    return *find(path);
  }
  std::int64_t size(const Path& path) override {
    return static_cast<std::int64_t>(read(path).size());
  }
  bool exists(const Path& path) override {
    const std::lock_guard lock(mutex_);
    return files_.contains(path) || directories_.contains(path);
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
    if (!files_.contains(from)) {
      throw_file_error(to, action, ENOENT);
    }
    check_place(to, action);
    files_[to] = files_.at(from);
    files_.erase(from);
  }
  void remove(const Path& path) override {
    const std::lock_guard lock(mutex_);
    files_.erase(path);
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
