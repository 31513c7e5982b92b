#include "models/parameters/checksum.h"

#ifndef __clang__  // GCC 12 takes its own AVX-512 intrinsics for uses of uninitialized values
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace stagecraft {

std::uint64_t checksum(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

}  // namespace stagecraft
