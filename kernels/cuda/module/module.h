// What the module offers the program: the only symbol that is looked up by name.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "kernels/core/device_report.h"
#include "kernels/core/stream.h"
#include "kernels/ops/dispatch.h"

namespace stagecraft::cuda {

struct Module {
  /// layout() of the module's build; a module of another build is refused.
  std::size_t layout;
  std::unique_ptr<Stream> (*make_stream)(int index, const StreamOptions& options);
  DeviceCensus (*count_devices)();
  BackendReport (*report)();
  std::shared_ptr<void> (*pin_memory)(int index, std::span<std::byte> pages);
};

/// Changes with everything that is passed between program and module.
inline std::size_t layout() {
  return operation_list_hash() + 1000 * sizeof(Module) + 100000 * sizeof(DeviceCensus) +
         1000000 * sizeof(StreamOptions) + 1000000000 * sizeof(BackendReport);
}

inline constexpr const char* kModuleFile = "libstagecraft_cuda.so";
inline constexpr const char* kModuleSymbol = "stagecraft_cuda_module";
using ModuleFunction = const Module* (*)();

}  // namespace stagecraft::cuda
