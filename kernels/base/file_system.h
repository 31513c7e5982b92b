// The calls of a file system that writers and readers of files need, behind an interface. Tests
// implement it: they fail any call, list all calls, or keep what one writer wrote from the others
// until it is flushed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace stagecraft {

/// A file that is open for reading. Safe from several threads. Destruction closes it.
class ReadHandle {
 public:
  virtual ~ReadHandle() = default;
  virtual std::int64_t size() const = 0;
  /// Reads bytes that begin at `offset` into the first of `bytes` and returns how many: at least
  /// one, unless there are none to read or the file ends there.
  virtual std::size_t read_some(std::int64_t offset, std::span<std::byte> bytes) const = 0;
};

/// An open file of one writer. Destruction closes it and flushes nothing.
class FileHandle {
 public:
  virtual ~FileHandle() = default;
  /// Writes the first of `bytes` at `offset` and returns how many: at least one, unless there are
  /// none. No other byte of the file changes, whoever writes them at the same time.
  virtual std::size_t write_some(std::int64_t offset, std::span<const std::byte> bytes) = 0;
  /// Returns when all that was written through this handle is on the disk. After a failure the
  /// system may have dropped it and would report success: call it no second time (FileWriter).
  virtual void sync() = 0;
};

/// Safe from several threads. A call that fails throws what throw_file_error() throws.
class FileSystem {
 public:
  using Path = std::filesystem::path;
  virtual ~FileSystem() = default;
  /// Makes a file of `bytes` zero bytes, in place of an earlier one, with the disk space reserved
  /// where the file system can. When it fails, no file is left.
  virtual std::unique_ptr<FileHandle> create(const Path& path, std::int64_t bytes) = 0;
  /// Opens an existing file for writing.
  virtual std::unique_ptr<FileHandle> open(const Path& path) = 0;
  /// Opens an existing file for reading.
  virtual std::unique_ptr<ReadHandle> open_for_reading(const Path& path) = 0;
  /// The whole file.
  virtual std::string read(const Path& path) = 0;
  virtual std::int64_t size(const Path& path) = 0;
  virtual bool exists(const Path& path) = 0;
  /// The names of the files and directories in a directory, ascending.
  virtual std::vector<std::string> list(const Path& path) = 0;
  /// Makes one directory in an existing one; nothing happens if it is there.
  virtual void make_directory(const Path& path) = 0;
  /// Of a file or a directory. `to`, if there is one, is replaced in one step: a file by a file, an
  /// empty directory by a directory.
  virtual void rename(const Path& from, const Path& to) = 0;
  /// Gives each of two files or directories the other's name, in one step. False, and nothing has
  /// happened, where the file system cannot.
  virtual bool exchange(const Path& one, const Path& other) = 0;
  /// Removes a file; nothing happens if there is none.
  virtual void remove(const Path& path) = 0;
  /// Removes an empty directory; nothing happens if there is none.
  virtual void remove_directory(const Path& path) = 0;
  /// Returns when names that were made, changed and removed in the directory are so on the disk.
  virtual void sync_directory(const Path& path) = 0;
};

/// Throws Error "[PATH] ACTION: what the system says of `code`; remedy". `code` is an errno.
[[noreturn]] void throw_file_error(const std::filesystem::path& path, std::string_view action,
                                   int code);

}  // namespace stagecraft
