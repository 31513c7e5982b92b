// Why a rank was idle.
#pragma once

#include <cstdint>
#include <string_view>

namespace stagecraft {

/// Why a rank was idle.
enum class IdleCause : std::uint8_t {
  instruction,  // what it was to receive was not made yet
  credit,       // its channel's slots were full
  partner,      // another member of a collective had not come
  optimizer,    // other ranks had not come to the optimizer
  driver,       // all had: the driver's decision, or its order to begin the step
  engine,       // between two instructions that could follow each other at once
  end           // it was done, and others were not
};
std::string_view to_string(IdleCause cause);

}  // namespace stagecraft
