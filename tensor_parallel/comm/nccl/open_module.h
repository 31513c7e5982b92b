// NCCL as the rest of the program sees it: a shared module that is opened when it is first asked
// for.
#pragma once

#include <memory>
#include <string>

#include "tensor_parallel/comm/nccl/world.h"

namespace stagecraft {

/// This process's share of NCCL, on `device`, a GPU. `watched` is a group of the whole world on the
/// host. Throws Error with the remedy where NCCL was not built in or cannot be loaded.
std::shared_ptr<nccl::World> open_nccl(Device device, std::unique_ptr<Communicator> watched);

/// NCCL's version, as "2.28.9". Throws Error as open_nccl does.
std::string nccl_version();

}  // namespace stagecraft
