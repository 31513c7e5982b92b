// How a kernel is started: on a stream, by an error that names the operation where it fails.
#pragma once

#include <cuda_runtime.h>

#include <string_view>

#include "kernels/cuda/cuda_stream.h"
#include "kernels/cuda/device_scope.h"
#include "kernels/cuda/status.h"

namespace stagecraft::cuda {

/// How the work is cut. Who sums what, and in which order, is a function of shapes alone.
struct Grid {
  std::int64_t blocks = 0;  // none: nothing is started
  dim3 threads;
  std::int64_t strips = 1;  // blockIdx.y
  std::size_t shared_bytes = 0;
};

inline std::int64_t parts_of(std::int64_t size, std::int64_t part) {
  return (size + part - 1) / part;
}

template <typename... Parameters>
void launch(Stream& stream, std::string_view place, const Grid& grid, void (*kernel)(Parameters...),
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
          place);
  }
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(grid.blocks), static_cast<unsigned>(grid.strips));
  config.blockDim = grid.threads;
  config.dynamicSmemBytes = grid.shared_bytes;
  config.stream = on.native();
  check(cudaLaunchKernelEx(&config, kernel, arguments...), place);
}

}  // namespace stagecraft::cuda
