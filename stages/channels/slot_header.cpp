#include "stages/channels/slot_header.h"

#include <algorithm>

#include "kernels/base/error.h"

namespace stagecraft {

SlotHeader header_of(std::uint64_t sequence, const Tensor& x) {
  SlotHeader header{.sequence = sequence,
                    .bytes = x.bytes(),
                    .dtype = x.dtype(),
                    .dimensions = static_cast<std::uint8_t>(x.rank())};
  std::copy(x.shape().begin(), x.shape().end(), header.shape.begin());
  return header;
}

void check_slot(std::string_view place, const SlotHeader& header, const Envelope& envelope) {
  const auto dimensions = static_cast<std::size_t>(header.dimensions);
  const bool same = header.sequence == envelope.sequence && header.dtype == envelope.dtype &&
                    header.bytes == elements_of(envelope.shape) * size_of(envelope.dtype) &&
                    dimensions == envelope.shape.size() &&
                    std::equal(envelope.shape.begin(), envelope.shape.end(), header.shape.begin());
  require(same, place,
          "the slot of {} {} does not match its envelope: the envelope has {} {}, the slot has "
          "tensor {} of {} bytes",
          envelope.edge, envelope.sequence, envelope.shape, envelope.dtype, header.sequence,
          header.bytes);
}

void check_capacity(std::string_view place, const Tensor& x, std::uint64_t sequence,
                    std::int64_t capacity_bytes) {
  require(x.bytes() <= capacity_bytes, place,
          "tensor {}, {} {}, has {} bytes, but a slot of its channel has {}", sequence, x.shape(),
          x.dtype(), x.bytes(), capacity_bytes);
}

}  // namespace stagecraft
