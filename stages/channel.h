// Channels carry activations forward and gradients back between neighbouring stages. The bytes go
// over the channel; an envelope that says what they are goes as a message beside them. A channel
// keeps its sender's order and has receive slots of its own: a sender may be kReceiveSlots tensors
// ahead, then it waits for a credit.
//
// Who pays for the slots: in one process the receiver pays for each tensor that lies in one, as
// long as it does; between processes for all slots at their full capacity, from the channel's begin
// to its end.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/stream.h"
#include "kernels/tensor.h"
#include "stages/stage_work.h"
#include "tensor_parallel/communicator.h"
#include "tensor_parallel/courier.h"
#include "tensor_parallel/shared_window.h"

namespace stagecraft {

inline constexpr int kReceiveSlots = 2;

enum class Payload : std::uint8_t { activation, gradient };

/// A channel's name: its ends are stages, its kind what it carries.
struct Edge {
  int source = 0;
  int destination = 0;
  Payload payload = Payload::activation;
  friend bool operator==(const Edge&, const Edge&) = default;
  // NOLINTNEXTLINE(modernize-use-nullptr): what the check sees in a defaulted <=> is its fault
  friend std::strong_ordering operator<=>(const Edge&, const Edge&) = default;
};

/// "act 0>1", "grad 1>0".
std::string to_string(const Edge& edge);

/// The channel of a transfer. Throws Error where its other end would lie beyond the chunks.
Edge edge_of(const Instruction& transfer, const std::vector<int>& stage_of_chunk);
/// The channels that chunks on these stages need, in ascending order, each once.
std::vector<Edge> edges_of(const std::vector<int>& stage_of_chunk);

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

/// Between two threads of one process: a slot holds the sender's handle, charged to the receiver
/// (`receiver`) as a transfer slot until the credit is back.
std::unique_ptr<Channel> make_local_channel(std::shared_ptr<MemoryAccount> receiver);

/// Between two processes of one node: slots of `capacity_bytes` in a window that the destination's
/// process makes and whose key() it tells the source's. A send has copied its bytes when it
/// returns.
SharedWindow make_channel_window(std::int64_t capacity_bytes);
/// Each throws Error for a window that make_channel_window did not make.
std::unique_ptr<Channel> make_window_source(SharedWindow window);
/// `receiver` pays for the window.
std::unique_ptr<Channel> make_window_destination(SharedWindow window,
                                                 std::shared_ptr<MemoryAccount> receiver);

/// Between two processes that share no memory. The destination expects the next kReceiveSlots
/// tensors ahead; the source keeps what it sends until the credit, and goes on paying for it. Both
/// ends, which `courier` outlives, name the same tag and capacity.
std::unique_ptr<Channel> make_courier_source(Courier& courier, int to, int tag,
                                             std::int64_t capacity_bytes);
std::unique_ptr<Channel> make_courier_destination(Courier& courier, int from, int tag,
                                                  std::int64_t capacity_bytes,
                                                  MemoryResource& memory);
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

/// The tag of an edge between its two ranks: these are of one column, so the payload tells apart.
int courier_tag(const Edge& edge);

}  // namespace stagecraft
