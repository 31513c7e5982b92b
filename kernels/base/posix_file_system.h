// The file system of the host.
#pragma once

#include "kernels/base/file_system.h"

namespace stagecraft {

/// What writes a file cannot read it: a network file system may then send only the bytes that were
/// written. With a page that it has read it may send the whole page, over what another host wrote
/// to the rest of it.
class PosixFileSystem : public FileSystem {
 public:
  std::unique_ptr<FileHandle> create(const Path& path, std::int64_t bytes) override;
  std::unique_ptr<FileHandle> open(const Path& path) override;
  std::unique_ptr<ReadHandle> open_for_reading(const Path& path) override;
  std::string read(const Path& path) override;
  std::int64_t size(const Path& path) override;
  bool exists(const Path& path) override;
  std::vector<std::string> list(const Path& path) override;
  void make_directory(const Path& path) override;
  void rename(const Path& from, const Path& to) override;
  bool exchange(const Path& one, const Path& other) override;
  void remove(const Path& path) override;
  void remove_directory(const Path& path) override;
  void sync_directory(const Path& path) override;
};

}  // namespace stagecraft
