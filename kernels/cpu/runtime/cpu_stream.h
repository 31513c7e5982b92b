// The CPU as a device: work runs inline, on up to `threads` threads.
#pragma once

#include <memory>

#include "kernels/core/stream.h"

namespace stagecraft::cpu {

/// A stream with a memory pool and an account of its own, whose operations are `ops`. `threads`
/// >= 1.
std::unique_ptr<Stream> make_cpu_stream(int threads, const OpTable& ops);

}  // namespace stagecraft::cpu
