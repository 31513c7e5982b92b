// Files: whole reads, atomic writes, mappings. Every error is an Error "[PATH] what the system
// said".
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace stagecraft {

std::string read_file(const std::filesystem::path& path);

/// The file is whole or absent: written beside under a temporary name, flushed, then renamed.
void write_file(const std::filesystem::path& path, std::string_view contents);

/// Flushes the file to the disk and gives it its final name.
void publish_file(const std::filesystem::path& temporary, const std::filesystem::path& path);

/// A mapped file; unmapped on destruction.
class MappedFile {
 public:
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
