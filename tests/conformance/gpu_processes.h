// Members of an NCCL group, one process each, with one GPU each or a shared one. gpu_processes.cpp
// defines main(), which reports that the tests are skipped if there is no GPU.
#pragma once

#include <memory>
#include <string>

#include "tensor_parallel/comm/nccl/world.h"
#include "tests/conformance/processes.h"

namespace stagecraft::test {

/// This process's GPU. Processes share GPUs if there are more processes than GPUs.
Device process_gpu();

/// This process's NCCL world over a world of processes. Collective.
std::shared_ptr<nccl::World> open_process_nccl(Communicator& world);

/// As run_processes, with a group and a stream on the GPUs.
void run_on_gpus(const std::string& test, const MemberFunction& function);

}  // namespace stagecraft::test
