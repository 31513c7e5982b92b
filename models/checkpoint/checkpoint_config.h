// The [checkpoint] table.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace stagecraft {

struct CheckpointConfig {
  std::int64_t every = 0;                     // steps; 0: only on signals and at the end
  double every_minutes = 0;                   // 0: never
  std::int64_t keep = 3;                      // the last ones; at least 1
  std::int64_t keep_every = 0;                // checkpoints of steps that it divides stay; 0: none
  std::optional<std::string> directory = {};  // absent: RUN/checkpoints; "": no checkpoints

  /// Checkpoints follow each other while training goes on.
  bool periodic() const { return every > 0 || every_minutes > 0; }
};

}  // namespace stagecraft
