// Large memory of the host that is really there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>

#include "kernels/base/free_memory.h"

namespace stagecraft {

/// Zeroed pages, all present: no later use of them can fail or has to wait for the system.
class HostPages {
 public:
  using FreeMemory = std::function<std::int64_t()>;
  /// What the host keeps, for files that are written and for other programs.
  static constexpr std::int64_t kReserve = std::int64_t{1} << 30;

  /// Takes them block by block, which is some gigabytes a second. Throws Error when the host would
  /// keep less than kReserve, or when `stop` is requested; all of them are given back then. Several
  /// processes may do so at a time.
  explicit HostPages(
      std::int64_t bytes, const std::stop_token& stop = {},
      const FreeMemory& left = [] { return free_memory(); });
  ~HostPages();
  HostPages(const HostPages&) = delete;
  HostPages& operator=(const HostPages&) = delete;

  std::span<std::byte> bytes() const { return {data_, size_}; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace stagecraft
