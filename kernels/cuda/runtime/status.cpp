#include "kernels/cuda/runtime/status.h"

#include "kernels/base/error.h"

namespace stagecraft::cuda {

namespace {

constexpr std::string_view kComesLate =
    "; a kernel that any actor issued to this device up to now may be the one that failed: run "
    "under compute-sanitizer, which names it";

/// Found out when the device gets there, and reported by every call from then on.
bool comes_late(cudaError_t status) {
  switch (status) {
    case cudaErrorIllegalAddress:
    case cudaErrorIllegalInstruction:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorMisalignedAddress:
    case cudaErrorHardwareStackError:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string described(cudaError_t status) {
  return fmt::format("{}: {}", cudaGetErrorName(status), cudaGetErrorString(status));
}

void check(cudaError_t status, std::string_view where) {
  if (status != cudaSuccess) [[unlikely]] {
    int device = 0;
    cudaGetDevice(&device);
    cudaGetLastError();  // it is reported here; a later launch is not to report it again
    throw Error(where, fmt::format("cuda:{}: {}{}", device, described(status),
                                   comes_late(status) ? kComesLate : ""));
  }
}

void check(cublasStatus_t status, std::string_view where) {
  if (status != CUBLAS_STATUS_SUCCESS) [[unlikely]] {
    throw Error(where, fmt::format("cuBLASLt: {}", cublasLtGetStatusString(status)));
  }
}

}  // namespace stagecraft::cuda
