// The abort of a world: raised once, with the first culprit, and visible to every thread.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <string_view>

namespace stagecraft {

class AbortFlag {
 public:
  /// Safe from any thread. Later culprits are ignored.
  void raise(std::string_view culprit) noexcept;
  bool raised() const noexcept { return raised_.load(std::memory_order_acquire); }
  /// Throws AbortedError once the flag is raised.
  void check() const;

 private:
  std::mutex mutex_;
  std::atomic<bool> raised_{false};
  std::string culprit_;  // written before raised_, never after, so that readers need no lock
};

}  // namespace stagecraft
