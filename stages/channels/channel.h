// Channels carry activations forward and gradients back between neighbouring stages. The bytes go
// over the channel; an envelope that says what they are goes as a message beside them. A channel
// keeps its sender's order and has receive slots of its own: a sender may be kReceiveSlots tensors
// ahead, then it waits for a credit.
//
// Who pays for the slots: in one process the receiver pays for each tensor that lies in one, as
// long as it does; between processes for all slots at their full capacity, from the channel's begin
// to its end.
#pragma once

#include <cstdint>

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"
#include "stages/channels/pass.h"
#include "stages/program/edge.h"

namespace stagecraft {

/// States that a tensor was issued to a channel, and which: never that it is complete.
struct Envelope {
  std::uint32_t generation = 0;  // of the run: what an earlier one sent is an error
  Edge edge = {};
  std::uint64_t sequence = 0;  // counts the channel's tensors from 0
  Pass pass = {};
  int chunk = 0;  // of the receiving end
  int microbatch = 0;
  Shape shape = {};
  DType dtype = DType::float32;
};

/// One channel, or one end of it. send and credit are called by the source's thread, receive by the
/// destination's. An end never waits for its peer as such: when that is gone, what it had sent can
/// still be received, and what it had not is an Error, or with a courier an AbortedError once the
/// world has been aborted.
class Channel {
 public:
  virtual ~Channel() = default;
  /// Puts `x`, read-only from now on, in slot `sequence` % kReceiveSlots. The caller has seen the
  /// credit of that slot; otherwise, or when a slot is smaller than `x`, throws Error.
  virtual void send(Stream& stream, std::uint64_t sequence, const Tensor& x) = 0;
  /// A tensor of the receiver's own with what the envelope stands for. The slot may be used again
  /// as soon as the credit for it is with the source.
  virtual Tensor receive(Stream& stream, const Envelope& envelope) = 0;
  /// The source learns that `sequence` was received: what it kept for it is freed, behind the
  /// receiver's work on `stream`.
  virtual void credit(Stream& stream, std::uint64_t sequence) = 0;
};

}  // namespace stagecraft
