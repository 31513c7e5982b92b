// Stands in where the program is built without NCCL.
#include "kernels/base/error.h"
#include "tensor_parallel/comm/nccl/open_module.h"

namespace stagecraft {
namespace {

[[noreturn]] void refuse() {
  throw Error("nccl",
              "this program was built without NCCL, which GPUs of several processes need: install "
              "it beside CUDA (libnccl-dev) and build again, or take run.mode = \"threads\"");
}

}  // namespace

std::string nccl_version() { refuse(); }

std::shared_ptr<nccl::World> open_nccl(Device /*device*/,
                                       std::unique_ptr<Communicator> /*watched*/) {
  refuse();
}

}  // namespace stagecraft
