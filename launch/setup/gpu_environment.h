// What CUDA and NCCL read from a process's environment when they are first used.
#pragma once

namespace stagecraft {

/// For a process that is rank `rank` and has a GPU: queues enough for every stream, and NCCL's
/// operations of several groups in the order in which the host issues them. `shared`: several ranks
/// have one GPU, which NCCL refuses unless it takes them for hosts of their own; it then sends
/// through sockets, slowly. What the user has set stays. Before any thread is started.
void set_gpu_environment(int rank, bool shared);

}  // namespace stagecraft
