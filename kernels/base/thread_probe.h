// How many threads the system grants, found by making them: limits of the user, of the control
// group and of the address space are not all readable, and other processes use them too.
#pragma once

#include <cstdint>

namespace stagecraft {

enum class ThreadProbe : std::uint8_t {
  whole,  // with stacks and allocations as threads of a run have them
  number  // as small as possible: for threads of several processes, counted together
};

/// Makes `count` threads that exist at the same time, as far as the system grants them, and ends
/// them. Returns how many there were.
int granted_threads(int count, ThreadProbe probe = ThreadProbe::whole);

}  // namespace stagecraft
