// Replaces open_module.cpp in a build without NCCL.
#include "kernels/base/error.h"
#include "tensor_parallel/comm/nccl/open_module.h"

namespace stagecraft {
namespace {

[[noreturn]] void refuse() {
  throw Error("nccl",
              "this program was built without NCCL, which GPUs of several processes need: install "
              "NCCL beside CUDA (libnccl-dev) and build again, or use run.mode = \"threads\"");
}

}  // namespace

std::string nccl_version() { refuse(); }

std::shared_ptr<nccl::World> open_nccl(Device /*device*/,
                                       std::unique_ptr<Communicator> /*watched*/) {
  refuse();
}

}  // namespace stagecraft
