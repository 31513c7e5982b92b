// A substitute for NVIDIA's libcuda.so.1: a driver for CUDA 12.0 that reports its version and does
// nothing else.
#include <cstdint>
#include <cstring>

namespace {

constexpr int kSuccess = 0;
constexpr int kNotSupported = 801;

int get_version(int* version) {
  *version = 12'000;
  return kSuccess;
}

int do_nothing() { return kNotSupported; }

}  // namespace

extern "C" {

__attribute__((visibility("default"))) int cuDriverGetVersion(int* version) {
  return get_version(version);
}

/// The CUDA runtime gets every function of the driver through this one.
__attribute__((visibility("default"))) int cuGetProcAddress_v2(const char* name, void** function,
                                                               int /*version*/,
                                                               std::uint64_t /*flags*/,
                                                               void* /*status*/) {
  if (std::strcmp(name, "cuGetProcAddress") == 0) {
    *function = reinterpret_cast<void*>(cuGetProcAddress_v2);
  } else {
    const bool version = std::strcmp(name, "cuDriverGetVersion") == 0;
    *function =
        version ? reinterpret_cast<void*>(get_version) : reinterpret_cast<void*>(do_nothing);
  }
  return kSuccess;
}

}  // extern "C"
