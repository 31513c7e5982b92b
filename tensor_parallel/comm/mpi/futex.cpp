#include "tensor_parallel/comm/mpi/futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <ctime>

namespace stagecraft::mpi {
namespace {

// The system call needs a plain 32-bit word. No FUTEX_PRIVATE_FLAG: several processes share the
// word.
static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

void futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value,
           const std::timespec* limit) {
  ::syscall(SYS_futex, &word, operation, value, limit, nullptr, 0);
}

}  // namespace

void Futex::sleep(std::uint32_t generation, std::chrono::milliseconds limit) noexcept {
  const std::timespec time{.tv_sec = limit.count() / 1000,
                           .tv_nsec = limit.count() % 1000 * 1'000'000};
  // Incremented before the kernel compares the word: if wake() reads no sleeper, it has changed the
  // word already, and the comparison fails.
  sleepers_.fetch_add(1);
  futex(generation_, FUTEX_WAIT, generation, limit.count() > 0 ? &time : nullptr);
  sleepers_.fetch_sub(1);
}

void Futex::wake() noexcept {
  generation_.fetch_add(1);
  if (sleepers_.load() > 0) {
    futex(generation_, FUTEX_WAKE, INT_MAX, nullptr);
  }
}

}  // namespace stagecraft::mpi
