// One request may reach a run of processes as several signals: directly, from launch/train, through
// mpirun, and to several ranks.
#pragma once

#include <cstdint>
#include <optional>

namespace stagecraft {

/// What comes this soon after a request belongs to it.
inline constexpr std::int64_t kSameRequest_ns = 5'000'000'000;

class RequestFilter {
 public:
  /// Whether a request that came at this time is another than the last new one.
  bool is_new(std::int64_t now_ns) {
    if (last_ns_ && now_ns - *last_ns_ < kSameRequest_ns) {
      return false;
    }
    last_ns_ = now_ns;
    return true;
  }

 private:
  std::optional<std::int64_t> last_ns_;
};

}  // namespace stagecraft
