// Where the threads of one process sleep, whatever they wait for: in memory that others see.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace stagecraft::mpi {

/// A waiter reads rings(), looks at what it waits for, and sleeps unless it has been rung since;
/// whoever changes what is waited for, rings. One bell for all that a process may wait for, an
/// abort included, means that nobody who aborts has to know who waits where.
class Futex {
 public:
  std::uint32_t generation() const noexcept { return generation_.load(); }
  /// Returns when the bell has been rung since `heard` was read, when `limit` has passed (0: no
  /// limit), or for no reason.
  void sleep(std::uint32_t heard, std::chrono::milliseconds limit) noexcept;
  void wake() noexcept;

 private:
  std::atomic<std::uint32_t> generation_;
  std::atomic<std::uint32_t> sleepers_;
};

}  // namespace stagecraft::mpi
