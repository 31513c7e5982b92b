#include "stages/channels/device_channel.h"

#include <array>
#include <utility>

#include "kernels/backends/make_stream.h"
#include "kernels/base/error.h"
#include "kernels/ops/elementwise.h"
#include "stages/channels/slot_header.h"
#include "stages/program/edge.h"

namespace stagecraft {
namespace {

constexpr int kSource = 0;  // ranks in the pair
constexpr int kDestination = 1;

/// The first message of a connection blocks the host until the other end has posted it. Later
/// messages must not block, so this one is exchanged when the channel is made.
void shake_hands(Communicator& pair, Stream& stream) {
  const Tensor x(stream.memory(), {1}, DType::int32, MemoryLabel::workspace);
  if (pair.rank() == kSource) {
    fill_zero(stream, {.x = x});
    pair.send(stream, x, kDestination);
  } else {
    pair.recv(stream, x, kSource);
  }
  stream.synchronize();
}

void check_pair(const Communicator& pair, int rank) {
  require(pair.size() == 2 && pair.rank() == rank, "DeviceChannel",
          "rank {} of a group of {} cannot be end {} of a channel", pair.rank(), pair.size(), rank);
}

class DeviceSource : public Channel {
 public:
  DeviceSource(std::unique_ptr<Communicator> pair, Device device, std::int64_t capacity_bytes)
      : capacity_(capacity_bytes), transfers_(make_stream(device, {})), pair_(std::move(pair)) {
    check_pair(*pair_, kSource);
    shake_hands(*pair_, *transfers_);
  }

  void send(Stream& stream, std::uint64_t sequence, const Tensor& x) override {
    constexpr std::string_view kWhere = "DeviceSource::send";
    Slot& slot = slots_.at(sequence % kReceiveSlots);
    require(slot.credited, kWhere, "tensor {} was sent without a credit", sequence);
    check_capacity(kWhere, x, sequence, capacity_);
    stream.wait(slot.sent);  // before the slot's old tensor returns to the stream's memory
    Event ready;
    stream.record(ready);
    transfers_->wait(ready);
    pair_->send(*transfers_, x, kDestination);
    slot = {.tensor = x, .sequence = sequence, .credited = false, .sent = {}};
    transfers_->record(slot.sent);
  }

  Tensor receive(Stream& /*stream*/, const Envelope& envelope) override {
    throw Error("DeviceSource::receive",
                fmt::format("receive at the source of {}", to_string(envelope.edge)));
  }

  /// A credit says that the receive was issued, not that it is complete. send waits for completion
  /// when it uses the slot again; by then the receive is nearly always complete.
  void credit(Stream& /*stream*/, std::uint64_t sequence) override {
    Slot& slot = slots_.at(sequence % kReceiveSlots);
    require(!slot.credited && slot.sequence == sequence, "DeviceSource::credit",
            "got a credit for tensor {}, which was not sent", sequence);
    slot.credited = true;
  }

 private:
  struct Slot {
    Tensor tensor = {};
    std::uint64_t sequence = 0;
    bool credited = true;
    Event sent = {};
  };

  std::int64_t capacity_;
  std::array<Slot, kReceiveSlots> slots_;
  std::unique_ptr<Stream> transfers_;
  std::unique_ptr<Communicator> pair_;  // last, so that it is destroyed first, after all sends
};

class DeviceDestination : public Channel {
 public:
  DeviceDestination(std::unique_ptr<Communicator> pair, std::int64_t capacity_bytes, Stream& stream)
      : transfers_(make_stream(stream.device(), {})), pair_(std::move(pair)) {
    check_pair(*pair_, kDestination);
    for (Slot& slot : slots_) {
      slot.buffer = stream.memory().allocate(capacity_bytes, MemoryLabel::transfer_slots);
    }
    // The memory of the slots may still be in use by earlier work on the stream.
    Event ready;
    stream.record(ready);
    transfers_->wait(ready);
    shake_hands(*pair_, *transfers_);
  }

  void send(Stream& /*stream*/, std::uint64_t sequence, const Tensor& /*x*/) override {
    refuse("send", sequence);
  }

  Tensor receive(Stream& stream, const Envelope& envelope) override {
    constexpr std::string_view kWhere = "DeviceDestination::receive";
    require(envelope.sequence == next_, kWhere, "expected tensor {} of {}, not tensor {}", next_,
            envelope.edge, envelope.sequence);
    Slot& slot = slots_.at(envelope.sequence % kReceiveSlots);
    const std::int64_t bytes = elements_of(envelope.shape) * size_of(envelope.dtype);
    require(bytes <= slot.buffer->bytes(), kWhere,
            "tensor {} of {}, {} {}, has {} bytes, but a slot of its channel has {}",
            envelope.sequence, envelope.edge, envelope.shape, envelope.dtype, bytes,
            slot.buffer->bytes());
    const Tensor received(slot.buffer, 0, envelope.shape, envelope.dtype);
    transfers_->wait(slot.copied);
    pair_->recv(*transfers_, received, kSource);
    Event arrived;
    transfers_->record(arrived);
    stream.wait(arrived);
    Tensor x(stream.memory(), envelope.shape, envelope.dtype, MemoryLabel::workspace);
    copy(stream, {.from = received, .to = x});
    stream.record(slot.copied);
    ++next_;
    return x;
  }

  void credit(Stream& /*stream*/, std::uint64_t sequence) override { refuse("credit", sequence); }

 private:
  struct Slot {
    std::shared_ptr<Buffer> buffer;
    Event copied;
  };

  [[noreturn]] static void refuse(std::string_view what, std::uint64_t sequence) {
    throw Error("DeviceDestination",
                fmt::format("{} of tensor {} at the destination", what, sequence));
  }

  std::uint64_t next_ = 0;
  std::array<Slot, kReceiveSlots> slots_;
  std::unique_ptr<Stream> transfers_;
  std::unique_ptr<Communicator> pair_;
};

}  // namespace

std::unique_ptr<Channel> make_device_source(std::unique_ptr<Communicator> pair, Device device,
                                            std::int64_t capacity_bytes) {
  return std::make_unique<DeviceSource>(std::move(pair), device, capacity_bytes);
}

std::unique_ptr<Channel> make_device_destination(std::unique_ptr<Communicator> pair,
                                                 std::int64_t capacity_bytes, Stream& stream) {
  return std::make_unique<DeviceDestination>(std::move(pair), capacity_bytes, stream);
}

}  // namespace stagecraft
