#include "kernels/base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

using Path = std::filesystem::path;

[[noreturn]] void fail(const Path& path, std::string_view action, int code) {
  throw Error(path.string(), fmt::format("{}: {}", action, std::generic_category().message(code)));
}

/// Signals interrupt slow calls; the run's own (SIGUSR1) must not break a file.
template <typename Call>
auto retried(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) {
    result = call();
  }
  return result;
}

class Descriptor {
 public:
  Descriptor(const Path& path, int flags) : path_(path) {
    // Not blocking: opening a named pipe would wait for its other end, perhaps for ever.
    constexpr mode_t kMode = 0666;
    value_ = retried([&] { return ::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK, kMode); });
    if (value_ < 0) {
      fail(path, "cannot open", errno);
    }
  }
  ~Descriptor() { ::close(value_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return value_; }

  /// Size in bytes; throws for what is not a regular file.
  std::size_t size() const {
    struct stat status {};
    if (::fstat(value_, &status) != 0) {
      fail(path_, "cannot read", errno);
    }
    require(!S_ISDIR(status.st_mode), path_.string(), "is a directory, not a file");
    require(S_ISREG(status.st_mode), path_.string(), "is not a regular file");
    return static_cast<std::size_t>(status.st_size);
  }

  void write(std::string_view contents) const {
    while (!contents.empty()) {
      const ssize_t count =
          retried([&] { return ::write(value_, contents.data(), contents.size()); });
      if (count < 0) {
        fail(path_, "cannot write", errno);
      }
      contents.remove_prefix(static_cast<std::size_t>(count));
    }
  }

  void flush() const {
    if (retried([&] { return ::fsync(value_); }) != 0) {
      fail(path_, "cannot flush to the disk", errno);
    }
  }

 private:
  const Path& path_;
  int value_ = -1;
};

std::byte* map(const Path& path, const Descriptor& file, std::size_t bytes, int protection) {
  if (bytes == 0) {
    return nullptr;  // mmap knows no empty mapping
  }
  void* data = ::mmap(nullptr, bytes, protection, MAP_SHARED, file.get(), 0);
  if (data == MAP_FAILED) {
    fail(path, fmt::format("cannot map {} bytes", bytes), errno);
  }
  return static_cast<std::byte*>(data);
}

/// Without this a rename may be lost when the machine stops.
void flush_directory_of(const Path& path) {
  const Path parent = path.parent_path().empty() ? Path(".") : path.parent_path();
  const Descriptor directory(parent, O_RDONLY | O_DIRECTORY);
  directory.flush();
}

void reserve(const Path& path, const Descriptor& file, std::int64_t bytes) {
  int code = EINTR;
  while (bytes > 0 && code == EINTR) {
    code = ::posix_fallocate(file.get(), 0, bytes);
  }
  if (bytes > 0 && code != 0) {
    ::unlink(path.c_str());
    fail(path, fmt::format("cannot reserve {} bytes", bytes), code);
  }
}

}  // namespace

std::string read_file(const Path& path) {
  const Descriptor file(path, O_RDONLY);
  std::string contents(file.size(), '\0');
  std::size_t done = 0;
  while (done < contents.size()) {
    const ssize_t count =
        retried([&] { return ::read(file.get(), &contents[done], contents.size() - done); });
    if (count < 0) {
      fail(path, "cannot read", errno);
    }
    if (count == 0) {
      break;  // cut by somebody else in between
    }
    done += static_cast<std::size_t>(count);
  }
  contents.resize(done);
  return contents;
}

void write_file(const Path& path, std::string_view contents) {
  const Path temporary = path.string() + ".tmp";
  const Descriptor file(temporary, O_WRONLY | O_CREAT | O_TRUNC);
  try {
    file.write(contents);
    publish_file(temporary, path);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

void publish_file(const Path& temporary, const Path& path) {
  Descriptor(temporary, O_RDONLY).flush();
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    fail(path, fmt::format("cannot take the place of {}", temporary.filename().string()), errno);
  }
  flush_directory_of(path);
}

MappedFile::MappedFile(const Path& path, Access access) {
  const bool writes = access == Access::write;
  const Descriptor file(path, writes ? O_RDWR : O_RDONLY);
  size_ = file.size();
  data_ = map(path, file, size_, writes ? PROT_READ | PROT_WRITE : PROT_READ);
}

MappedFile MappedFile::create(const Path& path, std::int64_t bytes) {
  require(bytes >= 0, path.string(), "cannot have {} bytes", bytes);
  const Descriptor file(path, O_RDWR | O_CREAT | O_TRUNC);
  reserve(path, file, bytes);
  MappedFile mapped;
  mapped.size_ = static_cast<std::size_t>(bytes);
  mapped.data_ = map(path, file, mapped.size_, PROT_READ | PROT_WRITE);
  return mapped;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) {
    ::munmap(data_, size_);
  }
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

}  // namespace stagecraft
