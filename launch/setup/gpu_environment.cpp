#include "launch/setup/gpu_environment.h"

#include <array>
#include <cstdlib>
#include <string>
#include <utility>

namespace stagecraft {
namespace {

using Setting = std::pair<const char*, const char*>;

// A communication kernel that waits for its peer must not block another stream in the same device
// queue: the default is 8 queues, the maximum 32. Kernels are loaded eagerly, because lazy loading
// may wait for a kernel that waits for another process.
constexpr std::array<Setting, 3> kAlways = {{{"CUDA_DEVICE_MAX_CONNECTIONS", "32"},
                                             {"CUDA_MODULE_LOADING", "EAGER"},
                                             {"NCCL_LAUNCH_ORDER_IMPLICIT", "1"}}};

// No direct access to another process's GPU memory, since it is the same GPU. Few blocks, since the
// kernels of all ranks must fit on the GPU at the same time.
constexpr std::array<Setting, 14> kShared = {{{"NCCL_NET", "Socket"},
                                              {"NCCL_NET_PLUGIN", "none"},
                                              {"NCCL_IB_DISABLE", "1"},
                                              {"NCCL_SOCKET_IFNAME", "lo"},
                                              {"NCCL_P2P_DISABLE", "1"},
                                              {"NCCL_SHM_DISABLE", "1"},
                                              {"NCCL_MNNVL_ENABLE", "0"},
                                              {"NCCL_NVLS_ENABLE", "0"},
                                              {"NCCL_CUMEM_ENABLE", "0"},
                                              {"NCCL_MAX_CTAS", "1"},
                                              {"NCCL_MAX_NCHANNELS", "1"},
                                              {"NCCL_ALGO", "Ring"},
                                              {"NCCL_PROTO", "Simple"},
                                              {"NCCL_RAS_ENABLE", "0"}}};

void set(const char* name, const char* value) { ::setenv(name, value, 0); }

}  // namespace

void set_gpu_environment(int rank, bool shared) {
  for (const auto& [name, value] : kAlways) {
    set(name, value);
  }
  if (shared) {
    set("NCCL_HOSTID", ("rank" + std::to_string(rank)).c_str());
    for (const auto& [name, value] : kShared) {
      set(name, value);
    }
  }
}

}  // namespace stagecraft
