// A file descriptor of the system.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace stagecraft {

/// Signals interrupt slow calls; the run's own (SIGUSR1) must not break a file.
template <typename Call>
auto retried(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) {
    result = call();
  }
  return result;
}

/// An open file or directory; closed on destruction. Its calls throw Error "[PATH] ...".
class Descriptor {
 public:
  /// `flags` are those of open(2).
  Descriptor(std::filesystem::path path, int flags);
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return value_; }
  /// Size in bytes; throws for what is not a regular file.
  std::int64_t size() const;
  /// Returns how many of `bytes` were written: at least one, unless there are none.
  std::size_t write_some(std::int64_t offset, std::span<const std::byte> bytes) const;
  /// Returns how many bytes were read: at least one, unless there are none or the file ends there.
  std::size_t read_some(std::int64_t offset, std::span<std::byte> bytes) const;
  /// Returns when all that was written to the file is on the disk.
  void sync() const;

 private:
  std::filesystem::path path_;
  int value_ = -1;
};

}  // namespace stagecraft
