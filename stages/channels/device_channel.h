// A channel between two processes with GPUs.
#pragma once

#include <cstdint>
#include <memory>

#include "kernels/core/stream.h"
#include "stages/channels/channel.h"
#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

/// A channel between two processes with GPUs. `pair` is a group of two, whose rank 0 is the source.
/// Both ends must be made at the same time, since they exchange a first message. After that the
/// host never waits: transfers have their own stream, and a send waits on the device for its
/// receive. The destination issues the receive when the envelope arrives, into its slots. The
/// source keeps a tensor that it sent, and is charged for it, until the slot is used again. The
/// device cannot detect an envelope of a tensor of another size; the sequence number is checked.
std::unique_ptr<Channel> make_device_source(std::unique_ptr<Communicator> pair, Device device,
                                            std::int64_t capacity_bytes);
/// The slots are charged to the account of `stream`.
std::unique_ptr<Channel> make_device_destination(std::unique_ptr<Communicator> pair,
                                                 std::int64_t capacity_bytes, Stream& stream);

}  // namespace stagecraft
