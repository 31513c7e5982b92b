// File systems for tests that see every call, list them all, or fail one.
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "kernels/base/file_system.h"

namespace stagecraft::test {

enum class FileCallKind {
  create,
  open,
  write,
  sync,
  rename,
  exchange,
  remove,
  make_directory,
  remove_directory,
  sync_directory,
  open_for_reading,
  read,  // of a part, or of the whole file
  list
};

struct FileCall {
  FileCallKind kind = FileCallKind::write;
  std::filesystem::path path;
  std::filesystem::path to = {};  // of a rename or an exchange
  std::int64_t offset = 0;        // of a write or a read; for create, the file's size
  std::string bytes = {};         // of a write
};

/// Shows each call to an observer and then passes it on to another file system. What the observer
/// throws, the call throws. A write of which the observer cuts the bytes becomes a short one.
class ObservedFileSystem : public FileSystem {
 public:
  using Observer = std::function<void(FileCall&)>;
  ObservedFileSystem(std::shared_ptr<FileSystem> under, Observer observer)
      : under_(std::move(under)), observer_(std::move(observer)) {}

  std::unique_ptr<FileHandle> create(const Path& path, std::int64_t bytes) override {
    show({.kind = FileCallKind::create, .path = path, .offset = bytes});
    return std::make_unique<Handle>(*this, path, under_->create(path, bytes));
  }
  std::unique_ptr<FileHandle> open(const Path& path) override {
    show({.kind = FileCallKind::open, .path = path});
    return std::make_unique<Handle>(*this, path, under_->open(path));
  }
  std::unique_ptr<ReadHandle> open_for_reading(const Path& path) override {
    show({.kind = FileCallKind::open_for_reading, .path = path});
    return std::make_unique<Reader>(*this, path, under_->open_for_reading(path));
  }
  std::string read(const Path& path) override {
    show({.kind = FileCallKind::read, .path = path});
    return under_->read(path);
  }
  std::int64_t size(const Path& path) override { return under_->size(path); }
  bool exists(const Path& path) override { return under_->exists(path); }
  std::vector<std::string> list(const Path& path) override {
    show({.kind = FileCallKind::list, .path = path});
    return under_->list(path);
  }
  void make_directory(const Path& path) override {
    show({.kind = FileCallKind::make_directory, .path = path});
    under_->make_directory(path);
  }
  void rename(const Path& from, const Path& to) override {
    show({.kind = FileCallKind::rename, .path = from, .to = to});
    under_->rename(from, to);
  }
  bool exchange(const Path& one, const Path& other) override {
    show({.kind = FileCallKind::exchange, .path = one, .to = other});
    return under_->exchange(one, other);
  }
  void remove(const Path& path) override {
    show({.kind = FileCallKind::remove, .path = path});
    under_->remove(path);
  }
  void remove_directory(const Path& path) override {
    show({.kind = FileCallKind::remove_directory, .path = path});
    under_->remove_directory(path);
  }
  void sync_directory(const Path& path) override {
    show({.kind = FileCallKind::sync_directory, .path = path});
    under_->sync_directory(path);
  }

 private:
  class Handle : public FileHandle {
   public:
    Handle(ObservedFileSystem& files, Path path, std::unique_ptr<FileHandle> under)
        : files_(files), path_(std::move(path)), under_(std::move(under)) {}
    std::size_t write_some(std::int64_t offset, std::span<const std::byte> bytes) override {
      const auto* first = reinterpret_cast<const char*>(bytes.data());
      const std::string shown = files_.show({.kind = FileCallKind::write,
                                             .path = path_,
                                             .offset = offset,
                                             .bytes = std::string(first, bytes.size())});
      return under_->write_some(offset, std::as_bytes(std::span(shown)));
    }
    void sync() override {
      files_.show({.kind = FileCallKind::sync, .path = path_});
      under_->sync();
    }

   private:
    ObservedFileSystem& files_;
    Path path_;
    std::unique_ptr<FileHandle> under_;
  };

  class Reader : public ReadHandle {
   public:
    Reader(ObservedFileSystem& files, Path path, std::unique_ptr<ReadHandle> under)
        : files_(files), path_(std::move(path)), under_(std::move(under)) {}
    std::int64_t size() const override { return under_->size(); }
    std::size_t read_some(std::int64_t offset, std::span<std::byte> bytes) const override {
      files_.show({.kind = FileCallKind::read, .path = path_, .offset = offset});
      return under_->read_some(offset, bytes);
    }

   private:
    ObservedFileSystem& files_;
    Path path_;
    std::unique_ptr<ReadHandle> under_;
  };

  /// Returns the bytes that the observer left.
  std::string show(FileCall call) {
    const std::lock_guard lock(mutex_);
    observer_(call);
    return std::move(call.bytes);
  }

  std::shared_ptr<FileSystem> under_;
  Observer observer_;
  std::mutex mutex_;
};

/// Every call, in the order in which they began, those that then failed included. What was not
/// flushed when the power went may be absent, torn or present: a test can build each such state
/// from the list.
using FileCalls = std::shared_ptr<std::vector<FileCall>>;

inline std::shared_ptr<FileSystem> recording_file_system(std::shared_ptr<FileSystem> under,
                                                         const FileCalls& calls) {
  return std::make_shared<ObservedFileSystem>(
      std::move(under), [calls](const FileCall& call) { calls->push_back(call); });
}

inline int count_of(const std::vector<FileCall>& calls, FileCallKind kind) {
  return static_cast<int>(std::count_if(
      calls.begin(), calls.end(), [kind](const FileCall& call) { return call.kind == kind; }));
}

/// The call that fails, and how.
struct FileFault {
  FileCallKind kind = FileCallKind::write;
  int call = 1;    // among those of its kind
  int code = EIO;  // an errno
};

/// Throws what the host's file system throws when the system gives `code`.
[[noreturn]] inline void fail_call(const FileCall& call, int code) {
  switch (call.kind) {
    case FileCallKind::create:
      throw_file_error(call.path, fmt::format("cannot reserve {} bytes", call.offset), code);
    case FileCallKind::open:
    case FileCallKind::open_for_reading:
      throw_file_error(call.path, "cannot open", code);
    case FileCallKind::write:
      throw_file_error(call.path, "cannot write", code);
    case FileCallKind::rename:
      throw_file_error(
          call.to, fmt::format("cannot take the place of {}", call.path.filename().string()), code);
    case FileCallKind::exchange:
      throw_file_error(call.to,
                       fmt::format("cannot exchange names with {}", call.path.filename().string()),
                       code);
    case FileCallKind::read:
    case FileCallKind::list:
      throw_file_error(call.path, "cannot read", code);
    case FileCallKind::remove:
    case FileCallKind::remove_directory:
      throw_file_error(call.path, "cannot remove", code);
    case FileCallKind::make_directory:
      throw_file_error(call.path, "cannot create the directory", code);
    case FileCallKind::sync:
    case FileCallKind::sync_directory:
      break;
  }
  throw_file_error(call.path, "cannot flush to the disk", code);
}

inline std::shared_ptr<FileSystem> failing_file_system(std::shared_ptr<FileSystem> under,
                                                       const FileFault& fault) {
  return std::make_shared<ObservedFileSystem>(
      std::move(under), [fault, calls = 0](const FileCall& call) mutable {
        if (call.kind == fault.kind && ++calls == fault.call) {
          fail_call(call, fault.code);
        }
      });
}

/// Every write writes `bytes` bytes, or what is left.
inline std::shared_ptr<FileSystem> short_writing_file_system(std::shared_ptr<FileSystem> under,
                                                             std::size_t bytes) {
  return std::make_shared<ObservedFileSystem>(std::move(under), [bytes](FileCall& call) {
    call.bytes.resize(std::min(call.bytes.size(), bytes));
  });
}

}  // namespace stagecraft::test
