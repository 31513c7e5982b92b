// The way from an operation's arguments to the function of the stream's backend. Who includes this
// does not depend on the list of operations.
#pragma once

#include <cstdint>

#include "kernels/core/stream.h"

namespace stagecraft {

/// Calls the operation that takes `args`, without its checks. They are the business of
/// kernels/ops/*.cpp; a backend calls operations of its own in this way, too.
template <typename Args>
void dispatch(Stream& stream, const Args& args);

/// A hash of the names in the list. A table of another list has another one.
std::uint64_t operation_list_hash();

}  // namespace stagecraft
