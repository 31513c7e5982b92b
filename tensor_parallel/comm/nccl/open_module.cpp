#include "tensor_parallel/comm/nccl/open_module.h"

#include "kernels/base/error.h"
#include "kernels/base/shared_module.h"
#include "tensor_parallel/comm/nccl/module.h"

namespace stagecraft {
namespace {

/// The module's entry function.
nccl::ModuleFunction entry() {
  try {
    return reinterpret_cast<nccl::ModuleFunction>(
        symbol_of_module("nccl", nccl::kModuleFile, nccl::kModuleSymbol));
  } catch (const Error& error) {
    throw Error("nccl", fmt::format("{}; put the folder of libnccl.so.2 on LD_LIBRARY_PATH (the "
                                    "Python package nvidia-nccl-cu13 has it), build again, or use "
                                    "run.mode = \"threads\"",
                                    error.text()));
  }
}

const nccl::Module& module() {
  const nccl::Module* const found = entry()();
  require(found->layout == nccl::kLayout, "nccl", "{} is from another build of this program",
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
