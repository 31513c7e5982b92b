// The one header of this room's CUDA side that another room may see: tensor_parallel/comm/nccl
// enqueues its collectives on the stream itself.
#pragma once

#include <cuda_runtime_api.h>

#include "kernels/core/stream.h"

namespace stagecraft::cuda {

/// `stream` is one of make_stream({DeviceKind::cuda, i}, ..).
inline cudaStream_t native_stream(const Stream& stream) {
  return static_cast<cudaStream_t>(stream.native_handle());
}

}  // namespace stagecraft::cuda
