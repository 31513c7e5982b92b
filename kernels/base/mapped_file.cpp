#include "kernels/base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <utility>

#include "kernels/base/descriptor.h"
#include "kernels/base/error.h"
#include "kernels/base/file_system.h"

namespace stagecraft {
namespace {

using Path = std::filesystem::path;

std::byte* map(const Path& path, const Descriptor& file, std::size_t bytes, int protection) {
  if (bytes == 0) {
    return nullptr;  // mmap knows no empty mapping
  }
  void* data = ::mmap(nullptr, bytes, protection, MAP_SHARED, file.get(), 0);
  if (data == MAP_FAILED) {
    throw_file_error(path, fmt::format("cannot map {} bytes", bytes), errno);
  }
  return static_cast<std::byte*>(data);
}

void reserve(const Path& path, const Descriptor& file, std::int64_t bytes) {
  int code = EINTR;
  while (bytes > 0 && code == EINTR) {
    code = ::posix_fallocate(file.get(), 0, bytes);
  }
  if (bytes > 0 && code != 0) {
    ::unlink(path.c_str());
    throw_file_error(path, fmt::format("cannot reserve {} bytes", bytes), code);
  }
}

}  // namespace

MappedFile::MappedFile(const Path& path, Access access) {
  const bool writes = access == Access::write;
  const Descriptor file(path, writes ? O_RDWR : O_RDONLY);
  size_ = static_cast<std::size_t>(file.size());
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
