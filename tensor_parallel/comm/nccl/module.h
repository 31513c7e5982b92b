// What the NCCL module offers the program: the only symbol that is looked up by name.
#pragma once

#include <memory>
#include <string>

#include "tensor_parallel/comm/nccl/link.h"

namespace stagecraft::nccl {

struct Module {
  /// Sizes that program and module have to agree about; a module of another build is refused.
  std::size_t layout;
  std::string (*version)();
  std::string (*new_id)();
  std::unique_ptr<Link> (*connect)(const LinkSetup& setup);
};

/// Changes with everything that is passed between program and module.
inline constexpr std::size_t kLayout =
    sizeof(LinkSetup) + 1000 * sizeof(Module) + 1000000 * sizeof(Transfer);

inline constexpr const char* kModuleFile = "libstagecraft_nccl.so";
inline constexpr const char* kModuleSymbol = "stagecraft_nccl_module";
using ModuleFunction = const Module* (*)();

}  // namespace stagecraft::nccl
