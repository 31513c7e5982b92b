#include "kernels/base/shared_module.h"

#include <dlfcn.h>

#include <filesystem>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

/// BUILD/lib beside BUILD/bin, PREFIX/lib beside PREFIX/bin.
std::filesystem::path path_of(const std::string& file) {
  const auto executable = std::filesystem::read_symlink("/proc/self/exe");
  return executable.parent_path().parent_path() / "lib" / file;
}

std::string last_error() {
  const char* text = dlerror();
  return text == nullptr ? "no reason given" : text;
}

}  // namespace

void* symbol_of_module(const std::string& where, const std::string& file,
                       const std::string& symbol) {
  const auto path = path_of(file);
  void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  require(handle != nullptr, where, "{} cannot be loaded: {}", path.string(), last_error());
  void* const found = dlsym(handle, symbol.c_str());
  require(found != nullptr, where, "{} is no module of this program", path.string());
  return found;
}

}  // namespace stagecraft
