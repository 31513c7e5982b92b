// Attention in bfloat16 through cuDNN: plans, one a shape, made when a shape is first seen.
#pragma once

#include <memory>
#include <string>

#include "kernels/ops/attention.h"

namespace stagecraft::cuda {

/// What decides whether cuDNN computes a call.
struct AttentionInputs {
  const AttentionShape& shape;
  const Tensor& q;
  const Tensor& k;
  const Tensor& v;
  const Tensor& keys;
  const Tensor& lengths;
  const Tensor& out;
};
template <typename Args>
AttentionInputs attention_inputs(const Args& args) {
  return {args.shape, args.q, args.k, args.v, args.keys, args.lengths, args.out};
}

/// Its version, or that this build has none and how to get it.
std::string cudnn_version();

/// The plans of one stream. A build without cuDNN takes no shape (no_cudnn_attention.cpp).
class CudnnAttention {
 public:
  explicit CudnnAttention(int device);
  ~CudnnAttention();
  CudnnAttention(const CudnnAttention&) = delete;
  CudnnAttention& operator=(const CudnnAttention&) = delete;

  /// Whether cuDNN computes both directions of a call in bfloat16: heads of a multiple of 8
  /// numbers, up to 256, whose rows lie on 16 bytes, without `keys`, if it has a plan for them. A
  /// function of shape, strides, alignment, device and version.
  bool takes(const AttentionInputs& inputs);

  /// The call is one that it takes. The mask of dropout is cuDNN's own: drawn by its Philox under a
  /// seed that is a function of (key, step, first_sample, first_head), so it does not depend on
  /// pipeline, schedule or data rank, and does on the sizes of micro-batches and tensor shards.
  void forward(Stream& stream, const AttentionForward& args);
  /// The same bits at every call. The gradients' rows lie on 16 bytes, too.
  void backward(Stream& stream, const AttentionBackward& args);

 private:
  struct Plans;
  int device_;
  std::unique_ptr<Plans> plans_;  // null until the first question: loading cuDNN takes its time
};

}  // namespace stagecraft::cuda
