// The end of a world: raised once, by the first culprit, and seen by everybody.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <string_view>

namespace stagecraft {

class AbortFlag {
 public:
  /// From any thread. Later culprits are forgotten.
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
