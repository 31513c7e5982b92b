// Stands in for cudnn_attention.cpp where a build has no cuDNN or not its frontend's headers.
#include "kernels/base/error.h"
#include "kernels/cuda/runtime/cudnn_attention.h"

namespace stagecraft::cuda {

std::string cudnn_version() {
  return "not in this build, so attention in bfloat16 takes a slower kernel; install cuDNN and pip "
         "install nvidia-cudnn-frontend, then configure anew";
}

struct CudnnAttention::Plans {};

CudnnAttention::CudnnAttention(int device) : device_(device) {}
CudnnAttention::~CudnnAttention() = default;

bool CudnnAttention::takes(const AttentionInputs& /*inputs*/) { return false; }

void CudnnAttention::forward(Stream& /*stream*/, const AttentionForward& /*args*/) {
  throw Error("attention_forward", fmt::format("cuda:{}: this build has no cuDNN", device_));
}

void CudnnAttention::backward(Stream& /*stream*/, const AttentionBackward& /*args*/) {
  throw Error("attention_backward", fmt::format("cuda:{}: this build has no cuDNN", device_));
}

}  // namespace stagecraft::cuda
