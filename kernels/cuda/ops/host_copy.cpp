#include "kernels/ops/host_copy.h"

#include "kernels/cuda/runtime/cuda_stream.h"
#include "kernels/cuda/runtime/device_scope.h"
#include "kernels/cuda/runtime/status.h"

namespace stagecraft::cuda {
namespace {

void start_copy(Stream& stream, const Tensor& from, std::span<std::byte> to,
                std::string_view where) {
  CudaStream& on = on_cuda(stream);
  const DeviceScope scope(on.device().index);
  if (!to.empty()) {
    check(cudaMemcpyAsync(to.data(), from.raw(), to.size(), cudaMemcpyDeviceToHost, on.native()),
          where);
  }
}

}  // namespace

void copy_from_host(Stream& stream, const CopyFromHost& args) {
  CudaStream& on = on_cuda(stream);
  const DeviceScope scope(on.device().index);
  on.staging().copy(args.from, static_cast<std::byte*>(args.to.raw()), on.native());
}

void copy_to_host(Stream& stream, const CopyToHost& args) {
  start_copy(stream, args.from, args.to, "copy_to_host");
  stream.synchronize();
}

void start_copy_to_host(Stream& stream, const StartCopyToHost& args) {
  start_copy(stream, args.from, args.to, "start_copy_to_host");
}

}  // namespace stagecraft::cuda
