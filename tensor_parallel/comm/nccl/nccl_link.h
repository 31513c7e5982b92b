// The link that calls NCCL; compiled only into the module.
#pragma once

#include <memory>
#include <string>

#include "tensor_parallel/comm/nccl/link.h"

namespace stagecraft::nccl {

/// "2.28.9".
std::string library_version();
std::string new_unique_id();
/// A call that waits for other members throws after an abort, and after the deadline.
std::unique_ptr<Link> connect_link(const LinkSetup& setup);

}  // namespace stagecraft::nccl
