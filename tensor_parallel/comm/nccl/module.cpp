#include "tensor_parallel/comm/nccl/module.h"

#include "tensor_parallel/comm/nccl/nccl_link.h"

extern "C" __attribute__((visibility("default"))) const stagecraft::nccl::Module*
stagecraft_nccl_module() {
  using namespace stagecraft::nccl;
  static constexpr Module kModule = {.layout = kLayout,
                                     .version = library_version,
                                     .new_id = new_unique_id,
                                     .connect = connect_link};
  return &kModule;
}
