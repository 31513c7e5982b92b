#include "tensor_parallel/comm/nccl/open_module.h"

#include "kernels/base/error.h"
#include "kernels/base/shared_module.h"
#include "tensor_parallel/comm/nccl/module.h"

namespace stagecraft {
namespace {

/// The module's one function.
nccl::ModuleFunction entry() {
  try {
    return reinterpret_cast<nccl::ModuleFunction>(
        symbol_of_module("nccl", nccl::kModuleFile, nccl::kModuleSymbol));
  } catch (const Error& error) {
    throw Error("nccl", fmt::format("{}; put the folder of libnccl.so.2 on LD_LIBRARY_PATH (it is "
                                    "in Python's package nvidia-nccl-cu13), build again, or take "
                                    "run.mode = \"threads\"",
                                    error.text()));
  }
}

const nccl::Module& module() {
  const nccl::Module* const found = entry()();
  require(found->layout == nccl::kLayout, "nccl", "{} belongs to another build of this program",
          nccl::kModuleFile);
  return *found;
}

}  // namespace

std::string nccl_version() { return module().version(); }

std::shared_ptr<nccl::World> open_nccl(Device device, std::unique_ptr<Communicator> watched) {
  const nccl::Module& library = module();
  return std::make_shared<nccl::World>(
      nccl::Library{.new_id = library.new_id, .connect = library.connect}, device,
      std::move(watched));
}

}  // namespace stagecraft
