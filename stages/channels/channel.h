// Channels carry activations forward and gradients back between stages. The bytes go over the
// channel; an envelope, which describes them, is sent as a separate message. A channel keeps the
// order of its sender and has receive slots of its own: a sender may be kReceiveSlots tensors
// ahead; then it waits for a credit.
//
// The memory of slots is charged to the receiver. Within one process it is charged for each tensor
// while the tensor is in a slot; between processes, for all slots at full capacity during the life
// of the channel.
#pragma once

#include <cstdint>

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"
#include "stages/channels/pass.h"
#include "stages/program/edge.h"

namespace stagecraft {

/// Says that a tensor was issued to a channel, and which one. Does not say that it is complete.
struct Envelope {
  std::uint32_t generation = 0;  // of the run: an envelope of an earlier run is an error
  Edge edge = {};
  std::uint64_t sequence = 0;  // counts the channel's tensors from 0
  Pass pass = {};
  int chunk = 0;  // of the receiving end
  int microbatch = 0;
  Shape shape = {};
  DType dtype = DType::float32;
};

/// One channel, or one end of it. The source's thread calls send and credit; the destination's
/// thread calls receive. No call blocks because the peer is gone: tensors that it had sent can
/// still be received. Receiving one that it had not sent throws Error, or, over a P2P transport,
/// AbortedError once the world is aborted.
class Channel {
 public:
  virtual ~Channel() = default;
  /// Puts `x` in slot `sequence` % kReceiveSlots; `x` must not be written from now on. Throws Error
  /// if the caller has not passed the credit of that slot, or if a slot is smaller than `x`.
  virtual void send(Stream& stream, std::uint64_t sequence, const Tensor& x) = 0;
  /// Returns the tensor that the envelope describes, in the receiver's memory. The slot may be used
  /// again once the source has the credit for it.
  virtual Tensor receive(Stream& stream, const Envelope& envelope) = 0;
  /// Tells the source that `sequence` was received. Frees what the source kept for it, after the
  /// receiver's work on `stream`.
  virtual void credit(Stream& stream, std::uint64_t sequence) = 0;
};

}  // namespace stagecraft

template <>
struct fmt::formatter<stagecraft::Edge> : stagecraft::ToStringFormatter<stagecraft::Edge> {};
