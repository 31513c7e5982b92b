// The work of the last member to arrive in a round, which it does while the others wait.
#pragma once

#include "tensor_parallel/comm/local/group.h"

namespace stagecraft::local {

/// Compares the calls. If they do not match, sets the round's fault and releases its tensors.
void open(Round& round);

/// Releases the tensors, so that their owners can free the buffers.
void clear(Round& round);

/// Opens the round. Issues the work of all members to `stream` if one member can do it as well: for
/// small tensors, where a second round costs more than it saves, and for members on one GPU, which
/// share its speed. Members on different GPUs each do their own part: the last member to arrive
/// would need a workspace, and it is another member, on another GPU, every time.
void begin_collective(Stream& stream, Round& round);

}  // namespace stagecraft::local
