// What a configuration says about a run itself. Keys of launch/ fill these fields.
#pragma once

#include <cstdint>

namespace stagecraft {

struct RunOptions {
  std::uint64_t seed = 1;         // of weights, dropout and sample order
  std::int64_t eval_every = 0;    // steps; 0: only at the end
  std::int64_t eval_batches = 0;  // of global_batch samples; 0: all
  double watchdog_seconds = 30;   // an instruction without progress for so long ends the run
};

}  // namespace stagecraft
