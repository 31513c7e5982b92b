// A channel between two threads of one process.
#pragma once

#include <memory>

#include "kernels/core/memory.h"
#include "stages/channels/channel.h"

namespace stagecraft {

/// Between two threads of one process: a slot holds the sender's handle, charged to the receiver
/// (`receiver`) as a transfer slot until the credit is back.
std::unique_ptr<Channel> make_local_channel(std::shared_ptr<MemoryAccount> receiver);

}  // namespace stagecraft
