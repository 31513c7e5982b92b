#include "stages/channels/p2p_channel.h"

#include <array>
#include <optional>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/ops/elementwise.h"
#include "stages/channels/slot_header.h"

namespace stagecraft {
namespace {

/// The two messages of one tensor in flight: its header, then its bytes, even if there are none.
/// The transport shares it if the channel is destroyed first.
struct SlotTransfer {
  SlotHeader header;
  Tensor tensor;                   // at the source: the tensor that is sent
  std::shared_ptr<Buffer> buffer;  // at the destination: the slot
  std::optional<P2pTransport::Ticket> header_ticket;
  std::optional<P2pTransport::Ticket> bytes_ticket;
};

using SlotTransfers = std::array<std::shared_ptr<SlotTransfer>, kReceiveSlots>;

void wait(P2pTransport& p2p, std::optional<P2pTransport::Ticket>& ticket) {
  if (ticket) {
    p2p.wait(*ticket);
    ticket.reset();
  }
}

void abandon(P2pTransport& p2p, const SlotTransfers& transfers) noexcept {
  for (const std::shared_ptr<SlotTransfer>& transfer : transfers) {
    for (const auto* ticket : {&transfer->header_ticket, &transfer->bytes_ticket}) {
      if (*ticket) {
        p2p.abandon(**ticket, transfer);
      }
    }
  }
}

class P2pSource : public Channel {
 public:
  P2pSource(P2pTransport& p2p, int to, int tag, std::int64_t capacity_bytes)
      : p2p_(p2p), to_(to), tag_(tag), capacity_(capacity_bytes) {
    for (auto& transfer : transfers_) {
      transfer = std::make_shared<SlotTransfer>();
    }
  }
  ~P2pSource() override { abandon(p2p_, transfers_); }
  P2pSource(const P2pSource&) = delete;
  P2pSource& operator=(const P2pSource&) = delete;

  void send(Stream& stream, std::uint64_t sequence, const Tensor& x) override {
    constexpr std::string_view kWhere = "P2pSource::send";
    SlotTransfer& transfer = *transfers_.at(sequence % kReceiveSlots);
    require(transfer.tensor.empty(), kWhere, "tensor {} was sent without a credit", sequence);
    check_capacity(kWhere, x, sequence, capacity_);
    stream.synchronize();  // the transport reads the bytes without regard to the stream
    transfer.header = header_of(sequence, x);
    transfer.tensor = x;
    transfer.header_ticket = p2p_.send(to_, tag_, std::as_bytes(std::span(&transfer.header, 1)));
    transfer.bytes_ticket = p2p_.send(
        to_, tag_, {static_cast<const std::byte*>(x.raw()), static_cast<std::size_t>(x.bytes())});
  }

  Tensor receive(Stream& /*stream*/, const Envelope& envelope) override {
    throw Error("P2pSource::receive",
                fmt::format("receive at the source of {}", to_string(envelope.edge)));
  }

  void credit(Stream& /*stream*/, std::uint64_t sequence) override {
    SlotTransfer& transfer = *transfers_.at(sequence % kReceiveSlots);
    require(!transfer.tensor.empty() && transfer.header.sequence == sequence, "P2pSource::credit",
            "got a credit for tensor {}, which was not sent", sequence);
    wait(p2p_, transfer.header_ticket);
    wait(p2p_, transfer.bytes_ticket);
    transfer.tensor = Tensor();
  }

 private:
  P2pTransport& p2p_;
  int to_;
  int tag_;
  std::int64_t capacity_;
  SlotTransfers transfers_;
};

class P2pDestination : public Channel {
 public:
  P2pDestination(P2pTransport& p2p, int from, int tag, std::int64_t capacity_bytes,
                 MemoryResource& memory)
      : p2p_(p2p), from_(from), tag_(tag) {
    for (auto& transfer : transfers_) {
      transfer = std::make_shared<SlotTransfer>();
      transfer->buffer = memory.allocate(capacity_bytes, MemoryLabel::transfer_slots);
    }
    for (auto& transfer : transfers_) {
      expect(*transfer);
    }
  }
  ~P2pDestination() override { abandon(p2p_, transfers_); }
  P2pDestination(const P2pDestination&) = delete;
  P2pDestination& operator=(const P2pDestination&) = delete;

  void send(Stream& /*stream*/, std::uint64_t sequence, const Tensor& /*x*/) override {
    refuse("send", sequence);
  }

  Tensor receive(Stream& stream, const Envelope& envelope) override {
    SlotTransfer& transfer = *transfers_.at(envelope.sequence % kReceiveSlots);
    wait(p2p_, transfer.header_ticket);
    check_slot("P2pDestination::receive", transfer.header, envelope);
    wait(p2p_, transfer.bytes_ticket);
    Tensor x(stream.memory(), envelope.shape, envelope.dtype, MemoryLabel::workspace);
    copy(stream, {.from = Tensor(transfer.buffer, 0, envelope.shape, envelope.dtype), .to = x});
    stream.synchronize();
    expect(transfer);
    return x;
  }

  void credit(Stream& /*stream*/, std::uint64_t sequence) override { refuse("credit", sequence); }

 private:
  /// Posts the receives of the slot's next tensor. Messages of a tag arrive in order, which is the
  /// order of the slots.
  void expect(SlotTransfer& transfer) {
    transfer.header = {};
    transfer.header_ticket =
        p2p_.receive(from_, tag_, std::as_writable_bytes(std::span(&transfer.header, 1)));
    transfer.bytes_ticket = p2p_.receive(from_, tag_,
                                         {static_cast<std::byte*>(transfer.buffer->data()),
                                          static_cast<std::size_t>(transfer.buffer->bytes())});
  }

  [[noreturn]] void refuse(std::string_view what, std::uint64_t sequence) const {
    throw Error("P2pDestination",
                fmt::format("{} of tensor {} at the destination, which receives from rank {}", what,
                            sequence, from_));
  }

  P2pTransport& p2p_;
  int from_;
  int tag_;
  SlotTransfers transfers_;
};

}  // namespace

int p2p_tag(const Edge& edge) { return static_cast<int>(edge.payload); }

std::unique_ptr<Channel> make_p2p_source(P2pTransport& p2p, int to, int tag,
                                         std::int64_t capacity_bytes) {
  return std::make_unique<P2pSource>(p2p, to, tag, capacity_bytes);
}

std::unique_ptr<Channel> make_p2p_destination(P2pTransport& p2p, int from, int tag,
                                              std::int64_t capacity_bytes, MemoryResource& memory) {
  return std::make_unique<P2pDestination>(p2p, from, tag, capacity_bytes, memory);
}

}  // namespace stagecraft
