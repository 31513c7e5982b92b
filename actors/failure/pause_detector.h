// Tells that the process itself did not run for a while.
#pragma once

#include <chrono>
#include <cstdint>

namespace stagecraft {

/// The pauses of a thread that reads the clocks again and again: its process was suspended (Ctrl-Z,
/// a frozen container, a sleeping host), or got no processor.
class PauseDetector {
 public:
  /// `longest` is the longest time between two readings that is no pause. The clocks' first
  /// readings are those of now.
  PauseDetector(std::chrono::nanoseconds longest, std::int64_t steady_ns, std::int64_t wall_ns)
      : longest_ns_(longest.count()), steady_ns_(steady_ns), wall_ns_(wall_ns) {}
  /// Whether there was a pause since the readings before. The steady clock stands still while the
  /// host sleeps, the wall clock does not.
  bool paused(std::int64_t steady_ns, std::int64_t wall_ns);

 private:
  std::int64_t longest_ns_;
  std::int64_t steady_ns_;
  std::int64_t wall_ns_;
};

}  // namespace stagecraft
