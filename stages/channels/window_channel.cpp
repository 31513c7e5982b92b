#include "stages/channels/window_channel.h"

#include <array>
#include <atomic>
#include <new>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/ops/elementwise.h"
#include "stages/channels/slot_header.h"
#include "stages/program/edge.h"

namespace stagecraft {
namespace {

constexpr std::int64_t kLine = 64;
constexpr std::array<char, 8> kMagic = {'S', 'T', 'G', 'S', 'L', 'O', 'T', 'S'};

/// The layout of the window, with offsets in bytes. Every part begins at a cache line:
///
///     0    head: magic "STGSLOTS", capacity i64, slots i64
///     64   slot 0: state u32; 64 bytes on, its SlotHeader; 128 on, its bytes (capacity, rounded
///     up)
///     ...  slot 1, ...
struct alignas(kLine) Head {
  std::array<char, 8> magic = kMagic;
  std::int64_t capacity = 0;
  std::int64_t slots = kReceiveSlots;
};

enum SlotState : std::uint32_t { free = 0, filled = 1 };

/// The source fills and frees a slot; the destination only reads it.
struct Slot {
  alignas(kLine) std::atomic<std::uint32_t> state{SlotState::free};
  alignas(kLine) SlotHeader header;
};

static_assert(sizeof(Head) == 64 && sizeof(Slot) == 128);
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

std::int64_t slot_stride(std::int64_t capacity) {
  return static_cast<std::int64_t>(sizeof(Slot)) + (capacity + kLine - 1) / kLine * kLine;
}

std::int64_t slot_offset(std::uint64_t sequence, std::int64_t capacity) {
  const auto slot = static_cast<std::int64_t>(sequence % kReceiveSlots);
  return static_cast<std::int64_t>(sizeof(Head)) + slot * slot_stride(capacity);
}

std::int64_t window_bytes(std::int64_t capacity) {
  return static_cast<std::int64_t>(sizeof(Head)) + kReceiveSlots * slot_stride(capacity);
}

/// Makes the window the memory of tensors; the window is unmapped with the last of them.
class WindowPool : public MemoryPool {
 public:
  explicit WindowPool(SharedWindow window) : window_(std::move(window)) {}
  void* take(std::int64_t /*bytes*/) override { return window_.bytes().data(); }
  void give_back(void* /*data*/, std::int64_t /*bytes*/) noexcept override {}

 private:
  SharedWindow window_;
};

std::int64_t checked_capacity(const SharedWindow& window) {
  constexpr std::string_view kWhere = "WindowChannel";
  const auto size = static_cast<std::int64_t>(window.bytes().size());
  require(size >= window_bytes(0), kWhere, "a window of {} bytes is too small for a channel", size);
  const auto& head = *reinterpret_cast<const Head*>(window.bytes().data());
  require(head.magic == kMagic && head.slots == kReceiveSlots, kWhere,
          "a window of {} bytes holds no channel of {} slots", size, kReceiveSlots);
  require(head.capacity >= 0 && head.capacity <= size && window_bytes(head.capacity) == size,
          kWhere, "a window of {} bytes holds no slots of {} bytes", size, head.capacity);
  return head.capacity;
}

/// Either end. The source calls send and credit, the destination receive; both map the window.
class WindowChannel : public Channel {
 public:
  WindowChannel(SharedWindow window, std::shared_ptr<MemoryAccount> payer)
      : capacity_(checked_capacity(window)) {
    const auto size = static_cast<std::int64_t>(window.bytes().size());
    MemoryResource memory(std::make_shared<WindowPool>(std::move(window)), std::move(payer));
    buffer_ = memory.allocate(size, MemoryLabel::transfer_slots);
  }

  void send(Stream& stream, std::uint64_t sequence, const Tensor& x) override {
    constexpr std::string_view kWhere = "WindowChannel::send";
    Slot& slot = slot_of(sequence);
    require(slot.state.load(std::memory_order_acquire) == SlotState::free, kWhere,
            "tensor {} was sent without a credit", sequence);
    check_capacity(kWhere, x, sequence, capacity_);
    copy(stream, {.from = x, .to = bytes_of(sequence, x.shape(), x.dtype())});
    stream.synchronize();  // the other process cannot wait for an event of this one
    slot.header = header_of(sequence, x);
    slot.state.store(SlotState::filled, std::memory_order_release);
  }

  Tensor receive(Stream& stream, const Envelope& envelope) override {
    constexpr std::string_view kWhere = "WindowChannel::receive";
    const Slot& slot = slot_of(envelope.sequence);
    require(slot.state.load(std::memory_order_acquire) == SlotState::filled, kWhere,
            "the slot of {} {} is empty, but its envelope has arrived", envelope.edge,
            envelope.sequence);
    check_slot(kWhere, slot.header, envelope);
    Tensor x(stream.memory(), envelope.shape, envelope.dtype, MemoryLabel::workspace);
    copy(stream, {.from = bytes_of(envelope.sequence, envelope.shape, envelope.dtype), .to = x});
    stream.synchronize();  // the source may fill the slot again once it has the credit
    return x;
  }

  void credit(Stream& /*stream*/, std::uint64_t sequence) override {
    Slot& slot = slot_of(sequence);
    require(slot.state.load(std::memory_order_acquire) == SlotState::filled &&
                slot.header.sequence == sequence,
            "WindowChannel::credit", "got a credit for tensor {}, which was not sent", sequence);
    slot.state.store(SlotState::free, std::memory_order_release);
  }

 private:
  Slot& slot_of(std::uint64_t sequence) const {
    auto* base = static_cast<std::byte*>(buffer_->data());
    return *reinterpret_cast<Slot*>(base + slot_offset(sequence, capacity_));
  }

  Tensor bytes_of(std::uint64_t sequence, const Shape& shape, DType dtype) const {
    return {buffer_, slot_offset(sequence, capacity_) + static_cast<std::int64_t>(sizeof(Slot)),
            shape, dtype};
  }

  std::int64_t capacity_;
  std::shared_ptr<Buffer> buffer_;
};

}  // namespace

SharedWindow make_channel_window(std::int64_t capacity_bytes) {
  require(capacity_bytes >= 0, "make_channel_window", "a slot cannot have {} bytes",
          capacity_bytes);
  SharedWindow window = SharedWindow::create(window_bytes(capacity_bytes));
  std::byte* base = window.bytes().data();
  new (base) Head{.capacity = capacity_bytes};
  for (std::uint64_t slot = 0; slot < kReceiveSlots; ++slot) {
    new (base + slot_offset(slot, capacity_bytes)) Slot();
  }
  return window;
}

std::unique_ptr<Channel> make_window_source(SharedWindow window) {
  return std::make_unique<WindowChannel>(std::move(window), std::make_shared<MemoryAccount>());
}

std::unique_ptr<Channel> make_window_destination(SharedWindow window,
                                                 std::shared_ptr<MemoryAccount> receiver) {
  return std::make_unique<WindowChannel>(std::move(window), std::move(receiver));
}

}  // namespace stagecraft
