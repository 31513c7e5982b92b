// A communicator that says when it communicates: for traces, totals and the progress board.
#pragma once

#include <memory>
#include <string_view>

#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

/// Told by the thread that communicates.
class CommunicationObserver {
 public:
  virtual ~CommunicationObserver() = default;
  virtual void begin(std::string_view operation) = 0;
  virtual void end(std::string_view operation) = 0;
};

/// `inner`, observed: begin and end around every operation of a group of more than one member; end
/// is not called when it throws. `observer` must outlive the result.
std::unique_ptr<Communicator> observe(std::unique_ptr<Communicator> inner,
                                      CommunicationObserver& observer);

}  // namespace stagecraft
