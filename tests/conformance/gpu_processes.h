// Processes with a GPU each, or with shares of one: members of a group through NCCL. This file has
// the main program of its tests, which reports that they are skipped where there is no GPU.
#pragma once

#include <memory>
#include <string>

#include "tensor_parallel/comm/nccl/world.h"
#include "tests/conformance/processes.h"

namespace stagecraft::test {

/// This process's GPU; processes beyond the host's number of them share.
Device process_gpu();

/// NCCL for this process over a world of processes. Collective.
std::shared_ptr<nccl::World> open_process_nccl(Communicator& world);

/// As run_processes, with a group and a stream on the GPUs.
void run_on_gpus(const std::string& test, const MemberFunction& function);

}  // namespace stagecraft::test
