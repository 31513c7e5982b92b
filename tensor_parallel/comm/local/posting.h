// What a member lays open to the others: its call, where its tensors lie, and the point from which
// they are ready.
#pragma once

#include "tensor_parallel/comm/contract/call.h"

namespace stagecraft::local {

struct Posting {
  Call call = {};
  Device device = {};
  Event ready = {};
};

/// `stream` goes on after `event`; an event that was never recorded is reached.
inline void join(Stream& stream, const Event& event) {
  if (event.native != nullptr) {
    stream.wait(event);
  }
}

}  // namespace stagecraft::local
