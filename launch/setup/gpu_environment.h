// Environment variables that CUDA and NCCL read when they are first used.
#pragma once

namespace stagecraft {

/// Sets the variables for the process of rank `rank` with a GPU: enough device queues for all
/// streams, and NCCL operations of several groups in the order in which the host issues them.
/// `shared`: several ranks share one GPU. NCCL refuses this unless each rank appears to be its own
/// host; it then communicates through sockets, which is slow. Variables that the user has set are
/// not changed. Call before any thread is started.
void set_gpu_environment(int rank, bool shared);

}  // namespace stagecraft
