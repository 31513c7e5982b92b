#include "kernels/cuda/runtime/device_facts.h"

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include "kernels/cuda/runtime/architectures.h"
#include "kernels/cuda/runtime/cudnn_attention.h"
#include "kernels/cuda/runtime/device_scope.h"
#include "kernels/cuda/runtime/status.h"

namespace stagecraft::cuda {
namespace {

constexpr const char* kArchitectures = STAGECRAFT_CUDA_ARCHITECTURES;
constexpr const char* kWhere = "count_devices";

struct Capability {
  int major = 0;
  int minor = 0;
};

Capability capability_of(int device) {
  Capability found;
  check(cudaDeviceGetAttribute(&found.major, cudaDevAttrComputeCapabilityMajor, device), kWhere);
  check(cudaDeviceGetAttribute(&found.minor, cudaDevAttrComputeCapabilityMinor, device), kWhere);
  return found;
}

/// Empty: the device can be used.
std::string fault_of(int device) {
  const Capability found = capability_of(device);
  if (has_code_for(kArchitectures, found.major, found.minor)) {
    return {};
  }
  return fmt::format(
      "cuda:{} has compute capability {}.{}, and this build has code for {}; configure with "
      "-DCMAKE_CUDA_ARCHITECTURES={}{}-real",
      device, found.major, found.minor, kArchitectures, found.major, found.minor);
}

cudaDeviceProp properties_of(int device) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, device), kWhere);
  return properties;
}

std::int64_t bytes_of(int device) {
  return static_cast<std::int64_t>(properties_of(device).totalGlobalMem);
}

DeviceFacts facts_of(int device) {
  const cudaDeviceProp properties = properties_of(device);
  DeviceFacts facts{.name = properties.name,
                    .architecture = fmt::format("{}.{}", properties.major, properties.minor),
                    .bytes = static_cast<std::int64_t>(properties.totalGlobalMem),
                    .fault = fault_of(device)};
  const DeviceScope scope(device);
  std::size_t left = 0;
  std::size_t all = 0;
  const cudaError_t status = cudaMemGetInfo(&left, &all);
  facts.free_bytes = static_cast<std::int64_t>(left);
  if (status != cudaSuccess) {
    cudaGetLastError();
    facts.fault = described(status);
  }
  return facts;
}

/// 13000 is 13.0.
std::string cuda_version(int number) {
  return fmt::format("{}.{}", number / 1000, number % 1000 / 10);
}

/// For which CUDA the driver is; 0: there is none.
int driver_version() {
  int version = 0;
  cudaDriverGetVersion(&version);
  return version;
}

/// Why there is no device to count.
std::string reason(cudaError_t status) {
  if (status != cudaErrorInsufficientDriver) {
    return described(status);
  }
  return fmt::format(
      "the driver of this host is for CUDA {}, and this build needs one for CUDA {} or later",
      cuda_version(driver_version()), cuda_version(CUDART_VERSION));
}

std::vector<NamedFact> parts() {
  const int driver = driver_version();
  const std::size_t lt = cublasLtGetVersion();
  return {{"toolkit", fmt::format("{}, code for {}", cuda_version(CUDART_VERSION), kArchitectures)},
          {"driver", driver == 0 ? "none" : fmt::format("for CUDA {}", cuda_version(driver))},
          {"cublasLt", fmt::format("{}.{}.{}", lt / 10000, lt % 10000 / 100, lt % 100)},
          {"cuDNN", cudnn_version()}};
}

}  // namespace

DeviceCensus count_devices() {
  int all = 0;
  const cudaError_t status = cudaGetDeviceCount(&all);
  if (status != cudaSuccess) {
    cudaGetLastError();
    return {0, reason(status)};
  }
  DeviceCensus census{0, all > 0 ? "" : "the driver shows no GPU"};
  for (int device = 0; device < all; ++device) {
    const std::string fault = fault_of(device);
    if (!fault.empty()) {
      census.why_none = device == 0 ? fault : "";
      break;
    }
    ++census.count;
    census.bytes.push_back(bytes_of(device));
  }
  return census;
}

BackendReport report() {
  BackendReport found{.parts = parts()};
  const DeviceCensus census = count_devices();
  int all = 0;
  if (cudaGetDeviceCount(&all) != cudaSuccess) {
    cudaGetLastError();
  }
  for (int device = 0; device < all; ++device) {
    found.devices.push_back(facts_of(device));
  }
  if (census.count == 0) {
    found.fault = census.why_none;
    found.remedy = all > 0 ? "build for these devices, as said"
                           : fmt::format("install NVIDIA's driver for CUDA {} or later",
                                         cuda_version(CUDART_VERSION));
  }
  return found;
}

}  // namespace stagecraft::cuda
