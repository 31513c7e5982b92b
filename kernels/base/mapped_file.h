// Files that are mapped into memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace stagecraft {

/// A mapped file; unmapped on destruction. Errors are Error "[PATH] what the system said".
class MappedFile {
 public:
  /// Writes are seen by all processes of the host, but over a network file system whole pages of
  /// one host replace those of another: files of several hosts are written by FileWriter.
  enum class Access : std::uint8_t { read, write };
  /// Maps an existing file, whole.
  MappedFile(const std::filesystem::path& path, Access access);
  /// Creates (or truncates) a file of `bytes` zero bytes, with the disk space reserved, so that a
  /// full disk is an error here and not a signal later.
  static MappedFile create(const std::filesystem::path& path, std::int64_t bytes);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<std::byte> bytes() { return {data_, size_}; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  MappedFile() = default;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace stagecraft
