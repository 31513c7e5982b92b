// Memory that several processes of one node see.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace stagecraft {

/// A mapping without a name in any file system: the memory is gone with the last process that maps
/// it, however that process ends. The mapping lasts as long as the object.
class SharedWindow {
 public:
  /// `bytes` >= 0 zero bytes, reserved now, so that missing memory is an Error here and no signal
  /// later.
  static SharedWindow create(std::int64_t bytes);
  /// What `key` of the creator names; the creator, a process of this node and user, still holds its
  /// window. Throws Error naming the process.
  static SharedWindow open(std::string_view key);

  ~SharedWindow();
  SharedWindow(SharedWindow&& other) noexcept;
  SharedWindow& operator=(SharedWindow&&) = delete;
  SharedWindow(const SharedWindow&) = delete;
  SharedWindow& operator=(const SharedWindow&) = delete;

  /// For another process's `open`; may be sent as text.
  std::string key() const;
  std::span<std::byte> bytes() const { return {data_, static_cast<std::size_t>(size_)}; }

 private:
  SharedWindow(int descriptor, std::int64_t bytes);
  int descriptor_ = -1;
  std::byte* data_ = nullptr;
  std::int64_t size_ = 0;
};

}  // namespace stagecraft
