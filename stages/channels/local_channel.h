// A channel between two threads of one process.
#pragma once

#include <memory>

#include "kernels/core/memory.h"
#include "stages/channels/channel.h"

namespace stagecraft {

/// A channel between two threads of one process. A slot holds the sender's tensor handle. The
/// tensor is charged to `receiver` as a transfer slot until the credit.
std::unique_ptr<Channel> make_local_channel(std::shared_ptr<MemoryAccount> receiver);

}  // namespace stagecraft
