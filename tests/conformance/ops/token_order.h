// The order of a token table's gradient on a device.
#pragma once

#include "kernels/ops/embedding.h"
#include "tests/conformance/ops/reference.h"

namespace stagecraft::testing {

inline Tensor order_of(Stream& stream, const Values& tokens) {
  const std::vector<std::int32_t> order =
      token_order(std::vector<std::int32_t>(tokens.begin(), tokens.end()));
  Tensor made(stream.memory(), {2, static_cast<std::int64_t>(tokens.size())}, DType::int32,
              MemoryLabel::workspace);
  copy_from_host(stream, std::span<const std::int32_t>(order), made);
  return made;
}

}  // namespace stagecraft::testing
