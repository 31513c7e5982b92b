// NCCL itself; compiled into the module alone.
#pragma once

#include <memory>
#include <string>

#include "tensor_parallel/comm/nccl/link.h"

namespace stagecraft::nccl {

/// "2.28.9".
std::string library_version();
std::string new_unique_id();
/// The communicator is non-blocking: whatever waits for others looks whether the world is over, and
/// after the deadline throws.
std::unique_ptr<Link> connect_link(const LinkSetup& setup);

}  // namespace stagecraft::nccl
