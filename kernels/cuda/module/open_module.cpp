#include "kernels/cuda/module/open_module.h"

#include <dlfcn.h>

#include "kernels/base/error.h"
#include "kernels/base/shared_module.h"
#include "kernels/cuda/module/module.h"

namespace stagecraft::cuda {
namespace {

const Module& module() {
  const auto function =
      reinterpret_cast<ModuleFunction>(symbol_of_module("cuda", kModuleFile, kModuleSymbol));
  const Module* const found = function();
  require(found->layout == layout(), "cuda", "{} belongs to another build of this program",
          kModuleFile);
  return *found;
}

constexpr const char* kNoDriver = "this host has no NVIDIA driver (libcuda.so.1)";

/// Without a driver the module, which loads cublasLt, need not be opened to know that there is no
/// device.
bool has_driver() {
  void* const driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (driver != nullptr) {
    dlclose(driver);
  }
  return driver != nullptr;
}

}  // namespace

std::unique_ptr<Stream> make_cuda_stream(int index, const StreamOptions& options) {
  return module().make_stream(index, options);
}

DeviceCensus count_cuda_devices() {
  if (!has_driver()) {
    return {0, kNoDriver};
  }
  try {
    return module().count_devices();
  } catch (const std::exception& error) {
    return {0, error.what()};
  }
}

BackendReport report_cuda() {
  BackendReport found;
  try {
    found = module().report();
  } catch (const std::exception& error) {
    found.fault = error.what();
    found.remedy =
        "put the folder of the library that is named on LD_LIBRARY_PATH (CUDA's come with its "
        "toolkit and in Python's packages nvidia-cublas and nvidia-cuda-nvrtc, cuDNN's in "
        "nvidia-cudnn-cu13), or build again";
  }
  if (!has_driver()) {
    found.fault = kNoDriver;
    found.remedy = "install NVIDIA's driver; without a GPU there is nothing to do";
  }
  return found;
}

std::shared_ptr<void> pin_memory(int index, std::span<std::byte> pages) {
  return module().pin_memory(index, pages);
}

}  // namespace stagecraft::cuda
