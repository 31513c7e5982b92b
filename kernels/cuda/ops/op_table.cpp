#include "kernels/cuda/ops/op_table.h"

#include "kernels/cuda/ops/adamw.h"
#include "kernels/cuda/ops/attention.h"
#include "kernels/cuda/ops/cross_entropy.h"
#include "kernels/cuda/ops/elementwise.h"
#include "kernels/cuda/ops/embedding.h"
#include "kernels/cuda/ops/host_copy.h"
#include "kernels/cuda/ops/matmul.h"
#include "kernels/cuda/ops/norm.h"
#include "kernels/cuda/ops/reduce.h"

namespace stagecraft::cuda {

const OpTable& op_table() {
  static constexpr OpTable kTable = {
      .without_bfloat16 = {},
      .matmul = matmul,
      .layer_norm_forward = layer_norm_forward,
      .layer_norm_backward_input = layer_norm_backward_input,
      .layer_norm_backward_weight = layer_norm_backward_weight,
      .gelu_forward = gelu_forward,
      .gelu_backward = gelu_backward,
      .bias_dropout_residual = bias_dropout_residual,
      .dropout_backward = dropout_backward,
      .bias_gradient = bias_gradient,
      .add = add,
      .maximum = maximum,
      .copy = copy,
      .convert = convert,
      .fill_zero = fill_zero,
      .token_embedding_forward = token_embedding_forward,
      .token_embedding_backward = token_embedding_backward,
      .position_embedding_forward = position_embedding_forward,
      .position_embedding_backward = position_embedding_backward,
      .attention_forward = attention_forward,
      .attention_backward = attention_backward,
      .softmax_maximum = softmax_maximum,
      .softmax_sum = softmax_sum,
      .cross_entropy_loss = cross_entropy_loss,
      .softmax_gradient = softmax_gradient,
      .softmax_cross_entropy = softmax_cross_entropy,
      .adamw = adamw,
      .sums_of_squares = sums_of_squares,
      .copy_from_host = copy_from_host,
      .copy_to_host = copy_to_host,
  };
  return kTable;
}

}  // namespace stagecraft::cuda
