// Work of the host that belongs to no stream, on several threads.
#pragma once

#include <cstdint>
#include <functional>

namespace stagecraft {

/// Calls f(begin, end) for consecutive ranges of `block` elements that cover 0 .. count-1, on up to
/// `threads` threads, and returns when all are done. The ranges do not depend on the number of
/// threads. Throws what a call throws; some ranges are then left out.
void for_each_host_range(std::int64_t count, std::int64_t block, int threads,
                         const std::function<void(std::int64_t begin, std::int64_t end)>& f);

}  // namespace stagecraft
