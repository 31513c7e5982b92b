#include "kernels/base/posix_file_system.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "kernels/base/descriptor.h"
#include "kernels/base/error.h"

namespace stagecraft {
namespace {

using Path = FileSystem::Path;

class PosixFileHandle : public FileHandle {
 public:
  PosixFileHandle(const Path& path, int flags) : file_(path, O_WRONLY | flags) {}
  std::size_t write_some(std::int64_t offset, std::span<const std::byte> bytes) override {
    return file_.write_some(offset, bytes);
  }
  void sync() override { file_.sync(); }
  int descriptor() const { return file_.get(); }

 private:
  Descriptor file_;
};

class PosixReadHandle : public ReadHandle {
 public:
  explicit PosixReadHandle(const Path& path) : file_(path, O_RDONLY) {}
  std::int64_t size() const override { return file_.size(); }
  std::size_t read_some(std::int64_t offset, std::span<std::byte> bytes) const override {
    return file_.read_some(offset, bytes);
  }

 private:
  Descriptor file_;
};

/// posix_fallocate() would write into every page where the file system cannot reserve, and leave
/// these pages in the host's cache.
int set_size(int descriptor, std::int64_t bytes) {
  if (bytes == 0) {
    return 0;
  }
  int result = retried([&] { return ::fallocate(descriptor, 0, 0, bytes); });
  if (result < 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
    result = retried([&] { return ::ftruncate(descriptor, bytes); });
  }
  return result < 0 ? errno : 0;
}

}  // namespace

std::unique_ptr<FileHandle> PosixFileSystem::create(const Path& path, std::int64_t bytes) {
  require(bytes >= 0, path.string(), "cannot have {} bytes", bytes);
  auto file = std::make_unique<PosixFileHandle>(path, O_CREAT | O_TRUNC);
  if (const int code = set_size(file->descriptor(), bytes); code != 0) {
    ::unlink(path.c_str());
    throw_file_error(path, fmt::format("cannot reserve {} bytes", bytes), code);
  }
  return file;
}

std::unique_ptr<FileHandle> PosixFileSystem::open(const Path& path) {
  return std::make_unique<PosixFileHandle>(path, 0);
}

std::unique_ptr<ReadHandle> PosixFileSystem::open_for_reading(const Path& path) {
  return std::make_unique<PosixReadHandle>(path);
}

std::string PosixFileSystem::read(const Path& path) {
  const Descriptor file(path, O_RDONLY);
  std::string contents(static_cast<std::size_t>(file.size()), '\0');
  const std::span<std::byte> bytes = std::as_writable_bytes(std::span(contents));
  std::size_t done = 0;
  while (done < contents.size()) {
    const std::size_t count = file.read_some(static_cast<std::int64_t>(done), bytes.subspan(done));
    if (count == 0) {
      break;  // cut by somebody else in between
    }
    done += count;
  }
  contents.resize(done);
  return contents;
}

std::int64_t PosixFileSystem::size(const Path& path) { return Descriptor(path, O_RDONLY).size(); }

bool PosixFileSystem::exists(const Path& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0;
}

std::vector<std::string> PosixFileSystem::list(const Path& path) {
  std::error_code error;
  std::vector<std::string> names;
  for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error) {
    throw_file_error(path, "cannot read", error.value());
  }
  std::ranges::sort(names);
  return names;
}

void PosixFileSystem::make_directory(const Path& path) {
  constexpr mode_t kMode = 0777;
  if (::mkdir(path.c_str(), kMode) == 0) {
    return;
  }
  const int code = errno;
  std::error_code ignored;
  if (code != EEXIST || !std::filesystem::is_directory(path, ignored)) {
    throw_file_error(path, "cannot create the directory", code);
  }
}

void PosixFileSystem::rename(const Path& from, const Path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    throw_file_error(to, fmt::format("cannot take the place of {}", from.filename().string()),
                     errno);
  }
}

bool PosixFileSystem::exchange(const Path& one, const Path& other) {
  if (::renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE) == 0) {
    return true;
  }
  if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) {
    throw_file_error(other, fmt::format("cannot exchange names with {}", one.filename().string()),
                     errno);
  }
  return false;
}

void PosixFileSystem::remove(const Path& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    throw_file_error(path, "cannot remove", errno);
  }
}

void PosixFileSystem::remove_directory(const Path& path) {
  if (::rmdir(path.c_str()) != 0 && errno != ENOENT) {
    throw_file_error(path, "cannot remove", errno);
  }
}

void PosixFileSystem::sync_directory(const Path& path) {
  Descriptor(path, O_RDONLY | O_DIRECTORY).sync();
}

}  // namespace stagecraft
