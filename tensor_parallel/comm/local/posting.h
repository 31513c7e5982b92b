// A member's call as the other members see it, with the device of its tensors and the event after
// which they are ready.
#pragma once

#include "tensor_parallel/comm/contract/call.h"

namespace stagecraft::local {

struct Posting {
  Call call = {};
  Device device = {};
  Event ready = {};
};

/// Makes `stream` wait for `event`. An event that was never recorded counts as complete.
inline void wait(Stream& stream, const Event& event) {
  if (event.native != nullptr) {
    stream.wait(event);
  }
}

}  // namespace stagecraft::local
