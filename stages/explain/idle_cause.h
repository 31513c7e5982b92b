// The reasons for idle time.
#pragma once

#include <cstdint>
#include <string_view>

namespace stagecraft {

/// Why a rank was idle.
enum class IdleCause : std::uint8_t {
  instruction,  // the tensor to receive was not computed yet
  credit,       // the channel's slots were full
  collective,   // another member of a collective had not reached it
  optimizer,    // other ranks had not reached the optimizer
  driver,       // waited for the driver's decision, or for its order to begin the step
  overhead,     // between two instructions, without waiting for another rank
  finished      // it had finished, and others had not
};
std::string_view to_string(IdleCause cause);

}  // namespace stagecraft
