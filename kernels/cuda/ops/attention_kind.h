// Which of the two kinds of attention a call is.
#pragma once

#include "kernels/cuda/runtime/cuda_stream.h"
#include "kernels/ops/attention.h"

namespace stagecraft::cuda {

inline constexpr std::int64_t kMaxHeadSize = 256;

/// The same answer for both directions.
template <typename Args>
bool computes_by_cudnn(Stream& stream, const Args& args) {
  return args.q.dtype() == DType::bfloat16 &&
         on_cuda(stream).cudnn_attention().takes(attention_inputs(args));
}

inline void check_head_size(std::string_view where, std::int64_t size) {
  require(size <= kMaxHeadSize, where, "heads of {} numbers: at most {} are attended on CUDA", size,
          kMaxHeadSize);
}

}  // namespace stagecraft::cuda
