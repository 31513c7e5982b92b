#include <dlfcn.h>

#include <filesystem>

#include "kernels/base/error.h"
#include "kernels/cuda/cuda_module.h"
#include "kernels/cuda/module.h"

namespace stagecraft::cuda {
namespace {

/// BUILD/lib beside BUILD/bin, PREFIX/lib beside PREFIX/bin.
std::filesystem::path module_path() {
  const auto executable = std::filesystem::read_symlink("/proc/self/exe");
  return executable.parent_path().parent_path() / "lib" / kModuleFile;
}

std::string last_error() {
  const char* text = dlerror();
  return text == nullptr ? "no reason given" : text;
}

/// The loader gives the same module every time; it is never closed, since streams and buffers of it
/// may live to the end of the program.
const Module& module() {
  const auto path = module_path();
  void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  require(handle != nullptr, "cuda", "{} cannot be loaded: {}", path.string(), last_error());
  const auto function = reinterpret_cast<ModuleFunction>(dlsym(handle, kModuleSymbol));
  require(function != nullptr, "cuda", "{} is no module of this program", path.string());
  const Module* const found = function();
  require(found->layout == kLayout, "cuda", "{} belongs to another build of this program",
          path.string());
  return *found;
}

}  // namespace

std::unique_ptr<Stream> make_cuda_stream(int index, const StreamOptions& options) {
  return module().make_stream(index, options);
}

DeviceCensus count_cuda_devices() {
  try {
    return module().count_devices();
  } catch (const std::exception& error) {
    return {0, error.what()};
  }
}

}  // namespace stagecraft::cuda
