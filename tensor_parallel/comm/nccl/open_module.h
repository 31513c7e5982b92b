// Opens the NCCL module, a shared library, at first use.
#pragma once

#include <memory>
#include <string>

#include "tensor_parallel/comm/nccl/world.h"

namespace stagecraft {

/// This process's NCCL world on `device`, a GPU. `watched` is a host communicator of the
/// world. Throws Error with the remedy if NCCL was not built in or cannot be loaded.
std::shared_ptr<nccl::World> open_nccl(Device device, std::unique_ptr<Communicator> watched);

/// NCCL's version, e.g. "2.28.9". Throws Error as open_nccl does.
std::string nccl_version();

}  // namespace stagecraft
