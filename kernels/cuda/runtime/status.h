// What CUDA's calls answer, as errors.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <string>
#include <string_view>

namespace stagecraft::cuda {

/// Throws Error{place, CUDA's name and text} unless the call went well.
void check(cudaError_t status, std::string_view where);
void check(cublasStatus_t status, std::string_view where);

/// "cudaErrorNoDevice: no CUDA-capable device is detected".
std::string described(cudaError_t status);

}  // namespace stagecraft::cuda
