// The bound of a training step: the matrix products of the linear layers and the head alone,
// forward and both gradients, each by the faster of oneDNN's two calls with free threads.
#pragma once

#include <cstdint>

#include "models/families/model_config.h"

namespace stagecraft::bench {

/// Seconds for one micro-batch of `samples` sequences on `threads` threads, measured now.
double gemm_bound_seconds(const ModelConfig& model, std::int64_t samples, int threads);

}  // namespace stagecraft::bench
