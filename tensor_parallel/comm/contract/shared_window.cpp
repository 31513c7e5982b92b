#include "tensor_parallel/comm/contract/shared_window.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

/// "PROCESS:DESCRIPTOR:BYTES".
struct Key {
  std::int64_t process = 0;
  std::int64_t descriptor = 0;
  std::int64_t bytes = 0;
};

Key parse(std::string_view text) {
  Key key;
  const char* at = text.data();
  const char* end = at + text.size();
  bool whole = true;
  for (std::int64_t* field : {&key.process, &key.descriptor, &key.bytes}) {
    const auto [rest, fault] = std::from_chars(at, end, *field);
    const bool last = field == &key.bytes;
    whole = whole && fault == std::errc() && (last ? rest == end : rest != end && *rest == ':');
    at = rest == end ? end : rest + 1;
  }
  require(whole && key.bytes >= 0, "SharedWindow::open", "\"{}\" is not the key of a window", text);
  return key;
}

}  // namespace

SharedWindow SharedWindow::create(std::int64_t bytes) {
  const int descriptor = ::memfd_create("stagecraft", MFD_CLOEXEC);
  require(descriptor >= 0, "SharedWindow::create", "cannot create shared memory: {}",
          std::strerror(errno));
  const int fault = bytes == 0 ? 0 : ::posix_fallocate(descriptor, 0, bytes);
  if (fault != 0) {
    ::close(descriptor);
    throw Error("SharedWindow::create", fmt::format("cannot reserve {} bytes of shared memory: {}",
                                                    bytes, std::strerror(fault)));
  }
  return {descriptor, bytes};
}

SharedWindow SharedWindow::open(std::string_view text) {
  const Key key = parse(text);
  const std::string path = fmt::format("/proc/{}/fd/{}", key.process, key.descriptor);
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  require(descriptor >= 0, "SharedWindow::open",
          "cannot open the window of process {}: {}; has the process ended?", key.process,
          std::strerror(errno));
  return {descriptor, key.bytes};
}

SharedWindow::SharedWindow(int descriptor, std::int64_t bytes)
    : descriptor_(descriptor), size_(bytes) {
  if (bytes == 0) {
    return;
  }
  void* data = ::mmap(nullptr, static_cast<std::size_t>(bytes), PROT_READ | PROT_WRITE, MAP_SHARED,
                      descriptor, 0);
  if (data == MAP_FAILED) {
    const int fault = errno;
    ::close(descriptor);
    throw Error("SharedWindow",
                fmt::format("cannot map {} bytes: {}", bytes, std::strerror(fault)));
  }
  data_ = static_cast<std::byte*>(data);
}

SharedWindow::~SharedWindow() {
  if (data_ != nullptr) {
    ::munmap(data_, static_cast<std::size_t>(size_));
  }
  if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
}

SharedWindow::SharedWindow(SharedWindow&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

std::string SharedWindow::key() const {
  return fmt::format("{}:{}:{}", ::getpid(), descriptor_, size_);
}

}  // namespace stagecraft
