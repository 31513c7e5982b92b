#include "stages/channels/local_channel.h"

#include <array>
#include <mutex>

#include "kernels/ops/elementwise.h"
#include "stages/program/edge.h"

namespace stagecraft {
namespace {

class LocalChannel : public Channel {
 public:
  explicit LocalChannel(std::shared_ptr<MemoryAccount> receiver) : receiver_(std::move(receiver)) {}

  void send(Stream& stream, std::uint64_t sequence, const Tensor& x) override {
    x.buffer()->charge_to(receiver_, MemoryLabel::transfer_slots);
    const std::lock_guard lock(mutex_);
    Slot& slot = slots_.at(sequence % kReceiveSlots);
    require(slot.tensor.empty(), "LocalChannel::send", "tensor {} was sent without a credit",
            sequence);
    slot.tensor = x;
    slot.sequence = sequence;
    stream.record(slot.sent);
  }

  Tensor receive(Stream& stream, const Envelope& envelope) override {
    Slot& slot = filled_slot(envelope);  // the source does not touch it until the credit
    stream.wait(slot.sent);
    Tensor x(stream.memory(), slot.tensor.shape(), slot.tensor.dtype(), MemoryLabel::workspace);
    copy(stream, {.from = slot.tensor, .to = x});
    stream.record(slot.received);
    return x;
  }

  void credit(Stream& stream, std::uint64_t sequence) override {
    const std::lock_guard lock(mutex_);
    Slot& slot = slots_.at(sequence % kReceiveSlots);
    require(slot.sequence == sequence && !slot.tensor.empty(), "LocalChannel::credit",
            "got a credit for tensor {}, which was not sent", sequence);
    stream.wait(slot.received);
    slot.tensor = Tensor();
  }

 private:
  struct Slot {
    Tensor tensor;
    std::uint64_t sequence = 0;
    Event sent;
    Event received;
  };

  Slot& filled_slot(const Envelope& envelope) {
    const std::lock_guard lock(mutex_);
    Slot& slot = slots_.at(envelope.sequence % kReceiveSlots);
    require(!slot.tensor.empty() && slot.sequence == envelope.sequence &&
                slot.tensor.shape() == envelope.shape && slot.tensor.dtype() == envelope.dtype,
            "LocalChannel::receive", "the slot of {} {} does not match its envelope", envelope.edge,
            envelope.sequence);
    return slot;
  }

  std::shared_ptr<MemoryAccount> receiver_;
  std::mutex mutex_;
  std::array<Slot, kReceiveSlots> slots_;
};

}  // namespace

std::unique_ptr<Channel> make_local_channel(std::shared_ptr<MemoryAccount> receiver) {
  return std::make_unique<LocalChannel>(std::move(receiver));
}

}  // namespace stagecraft
