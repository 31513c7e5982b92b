// A channel between two processes of one node, through shared memory.
#pragma once

#include <cstdint>
#include <memory>

#include "kernels/core/memory.h"
#include "stages/channels/channel.h"
#include "tensor_parallel/comm/contract/shared_window.h"

namespace stagecraft {

/// A channel between two processes of one node: slots of `capacity_bytes` in a shared window. The
/// destination's process makes the window and sends its key() to the source's process. send returns
/// after it has copied the bytes.
SharedWindow make_channel_window(std::int64_t capacity_bytes);
/// Both throw Error for a window that make_channel_window did not make.
std::unique_ptr<Channel> make_window_source(SharedWindow window);
/// The window is charged to `receiver`.
std::unique_ptr<Channel> make_window_destination(SharedWindow window,
                                                 std::shared_ptr<MemoryAccount> receiver);

}  // namespace stagecraft
