// Stands in where the program is built without CUDA.
#include "kernels/base/error.h"
#include "kernels/core/device_report.h"
#include "kernels/cuda/module/open_module.h"

namespace stagecraft::cuda {
namespace {

constexpr const char* kReason = "this program was built without CUDA";

}  // namespace

std::unique_ptr<Stream> make_cuda_stream(int index, const StreamOptions& /*options*/) {
  throw Error("make_stream", fmt::format("cuda:{} cannot be used: {}", index, kReason));
}

DeviceCensus count_cuda_devices() { return {0, kReason}; }

BackendReport report_cuda() {
  return {.fault = kReason,
          .remedy = "install NVIDIA's CUDA toolkit 13 (nvcc, cublasLt), then run launch/build"};
}

std::shared_ptr<void> pin_memory(int index, std::span<std::byte> /*pages*/) {
  throw Error("pin_memory", fmt::format("cuda:{} cannot be used: {}", index, kReason));
}

}  // namespace stagecraft::cuda
