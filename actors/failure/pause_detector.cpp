#include "actors/failure/pause_detector.h"

#include <algorithm>

namespace stagecraft {

bool PauseDetector::paused(std::int64_t steady_ns, std::int64_t wall_ns) {
  const std::int64_t passed_ns = std::max(steady_ns - steady_ns_, wall_ns - wall_ns_);
  steady_ns_ = steady_ns;
  wall_ns_ = wall_ns;
  return passed_ns > longest_ns_;
}

}  // namespace stagecraft
