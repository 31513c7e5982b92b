// A futex in shared memory, on which all threads of one process wait.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace stagecraft::mpi {

/// A waiter reads generation(), checks its condition, and calls sleep(), which returns at once if
/// wake() was called in between. A process that changes a condition calls wake(). One futex serves
/// all conditions of a process, aborts included, so an abort does not need to know who waits where.
class Futex {
 public:
  std::uint32_t generation() const noexcept { return generation_.load(); }
  /// Returns when wake() was called since `heard` was read from generation(), when `limit` has
  /// passed (0: no limit), or spuriously.
  void sleep(std::uint32_t generation, std::chrono::milliseconds limit) noexcept;
  void wake() noexcept;

 private:
  std::atomic<std::uint32_t> generation_;
  std::atomic<std::uint32_t> sleepers_;
};

}  // namespace stagecraft::mpi
