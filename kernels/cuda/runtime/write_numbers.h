// Two whole numbers of the host on the device, as arguments of a kernel: for so few bytes a copy
// takes longer, and passes through staging.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/core/stream.h"

namespace stagecraft::cuda {

/// `to`, on the device, becomes {first, second}, in the order of `stream`.
void write_numbers(Stream& stream, std::string_view where, std::int64_t* to, std::int64_t first,
                   std::int64_t second);

}  // namespace stagecraft::cuda
