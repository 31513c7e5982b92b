// A channel between two processes of one node, through shared memory.
#pragma once

#include <cstdint>
#include <memory>

#include "kernels/core/memory.h"
#include "stages/channels/channel.h"
#include "tensor_parallel/comm/contract/shared_window.h"

namespace stagecraft {

/// Between two processes of one node: slots of `capacity_bytes` in a window that the destination's
/// process makes and whose key() it tells the source's. A send has copied its bytes when it
/// returns.
SharedWindow make_channel_window(std::int64_t capacity_bytes);
/// Each throws Error for a window that make_channel_window did not make.
std::unique_ptr<Channel> make_window_source(SharedWindow window);
/// `receiver` pays for the window.
std::unique_ptr<Channel> make_window_destination(SharedWindow window,
                                                 std::shared_ptr<MemoryAccount> receiver);

}  // namespace stagecraft
