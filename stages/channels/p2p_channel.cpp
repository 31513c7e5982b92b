#include "stages/channels/p2p_channel.h"

#include <array>
#include <optional>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/ops/elementwise.h"
#include "stages/channels/slot_header.h"

namespace stagecraft {
namespace {

/// The two messages of one tensor under way: its header, then its bytes, also when there are none.
/// Shared with the courier when the channel goes first.
struct Parcel {
  SlotHeader header;
  Tensor tensor;                   // at the source: what is sent
  std::shared_ptr<Buffer> buffer;  // at the destination: the slot
  std::optional<P2pTransport::Ticket> header_ticket;
  std::optional<P2pTransport::Ticket> bytes_ticket;
};

using Parcels = std::array<std::shared_ptr<Parcel>, kReceiveSlots>;

void wait(P2pTransport& p2p, std::optional<P2pTransport::Ticket>& ticket) {
  if (ticket) {
    p2p.wait(*ticket);
    ticket.reset();
  }
}

void abandon(P2pTransport& p2p, const Parcels& parcels) noexcept {
  for (const std::shared_ptr<Parcel>& parcel : parcels) {
    for (const auto* ticket : {&parcel->header_ticket, &parcel->bytes_ticket}) {
      if (*ticket) {
        p2p.abandon(**ticket, parcel);
      }
    }
  }
}

class CourierSource : public Channel {
 public:
  CourierSource(P2pTransport& p2p, int to, int tag, std::int64_t capacity_bytes)
      : p2p_(p2p), to_(to), tag_(tag), capacity_(capacity_bytes) {
    for (auto& parcel : parcels_) {
      parcel = std::make_shared<Parcel>();
    }
  }
  ~CourierSource() override { abandon(p2p_, parcels_); }
  CourierSource(const CourierSource&) = delete;
  CourierSource& operator=(const CourierSource&) = delete;

  void send(Stream& stream, std::uint64_t sequence, const Tensor& x) override {
    constexpr std::string_view kWhere = "CourierSource::send";
    Parcel& parcel = *parcels_.at(sequence % kReceiveSlots);
    require(parcel.tensor.empty(), kWhere, "tensor {} was sent without a credit", sequence);
    check_capacity(kWhere, x, sequence, capacity_);
    stream.synchronize();  // the courier reads the bytes as they are
    parcel.header = header_of(sequence, x);
    parcel.tensor = x;
    parcel.header_ticket = p2p_.send(to_, tag_, std::as_bytes(std::span(&parcel.header, 1)));
    parcel.bytes_ticket = p2p_.send(
        to_, tag_, {static_cast<const std::byte*>(x.raw()), static_cast<std::size_t>(x.bytes())});
  }

  Tensor receive(Stream& /*stream*/, const Envelope& envelope) override {
    throw Error("CourierSource::receive",
                fmt::format("this is the source of {}", to_string(envelope.edge)));
  }

  void credit(Stream& /*stream*/, std::uint64_t sequence) override {
    Parcel& parcel = *parcels_.at(sequence % kReceiveSlots);
    require(!parcel.tensor.empty() && parcel.header.sequence == sequence, "CourierSource::credit",
            "tensor {} is credited and was not sent", sequence);
    wait(p2p_, parcel.header_ticket);
    wait(p2p_, parcel.bytes_ticket);
    parcel.tensor = Tensor();
  }

 private:
  P2pTransport& p2p_;
  int to_;
  int tag_;
  std::int64_t capacity_;
  Parcels parcels_;
};

class CourierDestination : public Channel {
 public:
  CourierDestination(P2pTransport& p2p, int from, int tag, std::int64_t capacity_bytes,
                     MemoryResource& memory)
      : p2p_(p2p), from_(from), tag_(tag) {
    for (auto& parcel : parcels_) {
      parcel = std::make_shared<Parcel>();
      parcel->buffer = memory.allocate(capacity_bytes, MemoryLabel::transfer_slots);
    }
    for (auto& parcel : parcels_) {
      expect(*parcel);
    }
  }
  ~CourierDestination() override { abandon(p2p_, parcels_); }
  CourierDestination(const CourierDestination&) = delete;
  CourierDestination& operator=(const CourierDestination&) = delete;

  void send(Stream& /*stream*/, std::uint64_t sequence, const Tensor& /*x*/) override {
    refuse("send", sequence);
  }

  Tensor receive(Stream& stream, const Envelope& envelope) override {
    Parcel& parcel = *parcels_.at(envelope.sequence % kReceiveSlots);
    wait(p2p_, parcel.header_ticket);
    check_slot("CourierDestination::receive", parcel.header, envelope);
    wait(p2p_, parcel.bytes_ticket);
    Tensor x(stream.memory(), envelope.shape, envelope.dtype, MemoryLabel::workspace);
    copy(stream, {.from = Tensor(parcel.buffer, 0, envelope.shape, envelope.dtype), .to = x});
    stream.synchronize();
    expect(parcel);
    return x;
  }

  void credit(Stream& /*stream*/, std::uint64_t sequence) override { refuse("credit", sequence); }

 private:
  /// The slot is ready for the next tensor: the messages of a tag come in the order of the slots.
  void expect(Parcel& parcel) {
    parcel.header = {};
    parcel.header_ticket =
        p2p_.receive(from_, tag_, std::as_writable_bytes(std::span(&parcel.header, 1)));
    parcel.bytes_ticket = p2p_.receive(from_, tag_,
                                       {static_cast<std::byte*>(parcel.buffer->data()),
                                        static_cast<std::size_t>(parcel.buffer->bytes())});
  }

  [[noreturn]] void refuse(std::string_view what, std::uint64_t sequence) const {
    throw Error("CourierDestination",
                fmt::format("{} of tensor {} at the end that receives from rank {}", what, sequence,
                            from_));
  }

  P2pTransport& p2p_;
  int from_;
  int tag_;
  Parcels parcels_;
};

}  // namespace

int p2p_tag(const Edge& edge) { return static_cast<int>(edge.payload); }

std::unique_ptr<Channel> make_p2p_source(P2pTransport& p2p, int to, int tag,
                                         std::int64_t capacity_bytes) {
  return std::make_unique<CourierSource>(p2p, to, tag, capacity_bytes);
}

std::unique_ptr<Channel> make_p2p_destination(P2pTransport& p2p, int from, int tag,
                                              std::int64_t capacity_bytes, MemoryResource& memory) {
  return std::make_unique<CourierDestination>(p2p, from, tag, capacity_bytes, memory);
}

}  // namespace stagecraft
