// Memory that several processes of one node share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace stagecraft {

/// A mapping without a name in any file system: the memory is freed with the last process that maps
/// it, however that process ends. The mapping lasts as long as the object.
class SharedWindow {
 public:
  /// `bytes` >= 0 bytes, filled with zeros. They are reserved at once: missing memory is an Error
  /// here instead of a signal at the first access.
  static SharedWindow create(std::int64_t bytes);
  /// Opens the window with the creator's `key`. The creator is a process of this node and user, and
  /// must still hold its window. Throws Error with the creator's process id.
  static SharedWindow open(std::string_view key);

  ~SharedWindow();
  SharedWindow(SharedWindow&& other) noexcept;
  SharedWindow& operator=(SharedWindow&&) = delete;
  SharedWindow(const SharedWindow&) = delete;
  SharedWindow& operator=(const SharedWindow&) = delete;

  /// The argument of another process's `open`, as text.
  std::string key() const;
  std::span<std::byte> bytes() const { return {data_, static_cast<std::size_t>(size_)}; }

 private:
  SharedWindow(int descriptor, std::int64_t bytes);
  int descriptor_ = -1;
  std::byte* data_ = nullptr;
  std::int64_t size_ = 0;
};

}  // namespace stagecraft
