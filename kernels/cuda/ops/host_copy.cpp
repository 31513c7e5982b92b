#include "kernels/ops/host_copy.h"

#include "kernels/cuda/runtime/cuda_stream.h"
#include "kernels/cuda/runtime/device_scope.h"
#include "kernels/cuda/runtime/status.h"

namespace stagecraft::cuda {

void copy_from_host(Stream& stream, const CopyFromHost& args) {
  CudaStream& on = on_cuda(stream);
  const DeviceScope scope(on.device().index);
  on.staging().copy(args.from, static_cast<std::byte*>(args.to.raw()), on.native());
}

void copy_to_host(Stream& stream, const CopyToHost& args) {
  CudaStream& on = on_cuda(stream);
  const DeviceScope scope(on.device().index);
  if (!args.to.empty()) {
    check(cudaMemcpyAsync(args.to.data(), args.from.raw(), args.to.size(), cudaMemcpyDeviceToHost,
                          on.native()),
          "copy_to_host");
  }
  on.synchronize();
}

}  // namespace stagecraft::cuda
