// A communicator that reports the begin and end of its operations to traces, totals and the
// progress board.
#pragma once

#include <memory>
#include <string_view>

#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

/// Called on the thread that communicates. `stream`: on which the operation is issued; null for a
/// barrier.
class CommunicationObserver {
 public:
  virtual ~CommunicationObserver() = default;
  virtual void begin(Stream* stream, std::string_view operation) = 0;
  virtual void end(Stream* stream, std::string_view operation) = 0;
};

/// Wraps `inner`: calls begin and end around every operation of a group of more than one member.
/// end is not called when the operation throws. `observer` must outlive the result.
std::unique_ptr<Communicator> observe(std::unique_ptr<Communicator> inner,
                                      CommunicationObserver& observer);

}  // namespace stagecraft
