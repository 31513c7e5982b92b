// How a kernel is started: on a stream, by an error that names the operation where it fails.
#pragma once

#include <cuda_runtime.h>

#include <string_view>

#include "kernels/cuda/runtime/cuda_stream.h"
#include "kernels/cuda/runtime/device_scope.h"
#include "kernels/cuda/runtime/status.h"

namespace stagecraft::cuda {

/// How the work is cut. Who sums what, and in which order, is a function of shapes alone.
struct Grid {
  std::int64_t blocks = 0;  // none: nothing is started
  dim3 threads;
  std::int64_t strips = 1;  // blockIdx.y
  std::size_t shared_bytes = 0;
  /// Where the device can, it begins when the kernel before it lets it (let_next_begin()) instead
  /// of behind its end, for which it waits itself (wait_for_earlier()).
  bool early = false;
};

/// In a kernel: one behind it that may begin early may, once all blocks are here.
__device__ inline void let_next_begin() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  cudaTriggerProgrammaticLaunchCompletion();
#endif
}
/// In a kernel that may begin early: what earlier ones wrote is there.
__device__ inline void wait_for_earlier() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  cudaGridDependencySynchronize();
#endif
}

inline std::int64_t parts_of(std::int64_t size, std::int64_t part) {
  return (size + part - 1) / part;
}

/// Whether a device can start kernels early: compute capability 9.
inline bool starts_early(int device) {
  int major = 0;
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "launch");
  return major >= 9;
}

template <typename... Parameters>
void launch(Stream& stream, std::string_view where, const Grid& grid, void (*kernel)(Parameters...),
            const std::type_identity_t<Parameters>&... arguments) {
  constexpr std::size_t kUsualShared = 48 << 10;  // a kernel has to ask for more
  if (grid.blocks == 0 || grid.strips == 0) {
    return;
  }
  CudaStream& on = on_cuda(stream);
  const DeviceScope scope(on.device().index);
  if (grid.shared_bytes > kUsualShared) {
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(grid.shared_bytes)),
          where);
  }
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(grid.blocks), static_cast<unsigned>(grid.strips));
  config.blockDim = grid.threads;
  config.dynamicSmemBytes = grid.shared_bytes;
  config.stream = on.native();
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  config.attrs = &attribute;
  config.numAttrs = grid.early && starts_early(on.device().index) ? 1 : 0;
  check(cudaLaunchKernelEx(&config, kernel, arguments...), where);
}

}  // namespace stagecraft::cuda
