// The interface between the program and the NCCL module. The program looks up one symbol by name.
#pragma once

#include <memory>
#include <string>

#include "tensor_parallel/comm/nccl/link.h"

namespace stagecraft::nccl {

struct Module {
  /// kLayout of the module; the program rejects a module with another value.
  std::size_t layout;
  std::string (*version)();
  std::string (*new_id)();
  std::unique_ptr<Link> (*connect)(const LinkSetup& setup);
};

/// Changes when the size of a struct that program and module share changes.
inline constexpr std::size_t kLayout =
    sizeof(LinkSetup) + 1000 * sizeof(Module) + 1000000 * sizeof(Transfer);

inline constexpr const char* kModuleFile = "libstagecraft_nccl.so";
inline constexpr const char* kModuleSymbol = "stagecraft_nccl_module";
using ModuleFunction = const Module* (*)();

}  // namespace stagecraft::nccl
