#include "kernels/base/posix_file_system.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

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

std::string PosixFileSystem::read(const Path& path) {
  const Descriptor file(path, O_RDONLY);
  std::string contents(static_cast<std::size_t>(file.size()), '\0');
  std::size_t done = 0;
  while (done < contents.size()) {
    const ssize_t count =
        retried([&] { return ::read(file.get(), &contents[done], contents.size() - done); });
    if (count < 0) {
      throw_file_error(path, "cannot read", errno);
    }
    if (count == 0) {
      break;  // cut by somebody else in between
    }
    done += static_cast<std::size_t>(count);
  }
  contents.resize(done);
  return contents;
}

std::int64_t PosixFileSystem::size(const Path& path) { return Descriptor(path, O_RDONLY).size(); }

bool PosixFileSystem::exists(const Path& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0;
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

void PosixFileSystem::remove(const Path& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    throw_file_error(path, "cannot remove", errno);
  }
}

void PosixFileSystem::sync_directory(const Path& path) {
  Descriptor(path, O_RDONLY | O_DIRECTORY).sync();
}

}  // namespace stagecraft
