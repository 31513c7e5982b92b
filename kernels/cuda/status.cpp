#include "kernels/cuda/status.h"

#include "kernels/base/error.h"

namespace stagecraft::cuda {

std::string described(cudaError_t status) {
  return fmt::format("{}: {}", cudaGetErrorName(status), cudaGetErrorString(status));
}

void check(cudaError_t status, std::string_view place) {
  if (status != cudaSuccess) [[unlikely]] {
    cudaGetLastError();  // it is reported here; a later launch is not to report it again
    throw Error(place, described(status));
  }
}

void check(cublasStatus_t status, std::string_view place) {
  if (status != CUBLAS_STATUS_SUCCESS) [[unlikely]] {
    throw Error(place, fmt::format("cuBLASLt: {}", cublasLtGetStatusString(status)));
  }
}

}  // namespace stagecraft::cuda
