#include "kernels/base/descriptor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "kernels/base/error.h"
#include "kernels/base/file_system.h"

namespace stagecraft {

Descriptor::Descriptor(std::filesystem::path path, int flags) : path_(std::move(path)) {
  // Not blocking: opening a named pipe would wait for its other end, perhaps for ever.
  constexpr mode_t kMode = 0666;
  value_ = retried([&] { return ::open(path_.c_str(), flags | O_CLOEXEC | O_NONBLOCK, kMode); });
  if (value_ < 0) {
    throw_file_error(path_, "cannot open", errno);
  }
}

Descriptor::~Descriptor() { ::close(value_); }

std::int64_t Descriptor::size() const {
  struct stat status {};
  if (::fstat(value_, &status) != 0) {
    throw_file_error(path_, "cannot read", errno);
  }
  require(!S_ISDIR(status.st_mode), path_.string(), "is a directory, not a file");
  require(S_ISREG(status.st_mode), path_.string(), "is not a regular file");
  return status.st_size;
}

std::size_t Descriptor::write_some(std::int64_t offset, std::span<const std::byte> bytes) const {
  const ssize_t count =
      retried([&] { return ::pwrite(value_, bytes.data(), bytes.size(), offset); });
  if (count < 0 || (count == 0 && !bytes.empty())) {
    throw_file_error(path_, "cannot write", count < 0 ? errno : ENOSPC);
  }
  return static_cast<std::size_t>(count);
}

std::size_t Descriptor::read_some(std::int64_t offset, std::span<std::byte> bytes) const {
  const ssize_t count =
      retried([&] { return ::pread(value_, bytes.data(), bytes.size(), offset); });
  if (count < 0) {
    throw_file_error(path_, "cannot read", errno);
  }
  return static_cast<std::size_t>(count);
}

void Descriptor::sync() const {
  if (retried([&] { return ::fsync(value_); }) != 0) {
    throw_file_error(path_, "cannot flush to the disk", errno);
  }
}

}  // namespace stagecraft
