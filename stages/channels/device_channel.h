// A channel between two processes with GPUs.
#pragma once

#include <cstdint>
#include <memory>

#include "kernels/core/stream.h"
#include "stages/channels/channel.h"
#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

/// Between two processes with GPUs: `pair` is a group of two, of which rank 0 is the source. The
/// two ends are made together: they exchange a first message. Nothing here waits on the host from
/// then on: transfers have a stream of their own, a send waits on the device for its receive, which
/// the destination issues when the envelope has come, into slots of its own. The source keeps what
/// it sent, and pays for it, until the slot is used again. The device cannot see that an envelope
/// belongs to a tensor of another size; its sequence number is checked.
std::unique_ptr<Channel> make_device_source(std::unique_ptr<Communicator> pair, Device device,
                                            std::int64_t capacity_bytes);
/// `stream`: what it belongs to pays for the slots.
std::unique_ptr<Channel> make_device_destination(std::unique_ptr<Communicator> pair,
                                                 std::int64_t capacity_bytes, Stream& stream);

}  // namespace stagecraft
