// The lower bound of a training step's time: only the matrix products of the linear layers and the
// head, forward and both gradients, each with the faster of oneDNN's two calls with free threads.
#pragma once

#include <cstdint>

#include "models/families/model_config.h"

namespace stagecraft::bench {

/// Measures the seconds for one micro-batch of `samples` sequences on `threads` threads.
double gemm_bound_seconds(const ModelConfig& model, std::int64_t samples, int threads);

}  // namespace stagecraft::bench
