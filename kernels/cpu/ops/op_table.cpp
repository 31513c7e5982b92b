#include "kernels/cpu/ops/op_table.h"

#include "kernels/cpu/ops/adamw.h"
#include "kernels/cpu/ops/bfloat16_product.h"
#include "kernels/cpu/ops/cross_entropy.h"
#include "kernels/cpu/ops/elementwise.h"
#include "kernels/cpu/ops/host_copy.h"
#include "kernels/cpu/ops/mixed_precision.h"
#include "kernels/cpu/ops/norm.h"
#include "kernels/cpu/ops/reduce.h"

namespace stagecraft::cpu {

const OpTable& op_table() {
  static const OpTable kTable = {
      .without_bfloat16 = without_bfloat16(),
      .matmul = either::matmul,
      .layer_norm_forward = either::layer_norm_forward,
      .layer_norm_backward_input = either::layer_norm_backward_input,
      .layer_norm_backward_weight = layer_norm_backward_weight,
      .gelu_forward = either::gelu_forward,
      .gelu_backward = either::gelu_backward,
      .bias_dropout_residual = either::bias_dropout_residual,
      .dropout_backward = either::dropout_backward,
      .bias_gradient = either::bias_gradient,
      .add = either::add,
      .maximum = maximum,
      .copy = copy,
      .convert = convert,
      .fill_zero = fill_zero,
      .token_embedding_forward = either::token_embedding_forward,
      .token_embedding_backward = either::token_embedding_backward,
      .position_embedding_forward = either::position_embedding_forward,
      .position_embedding_backward = either::position_embedding_backward,
      .attention_forward = either::attention_forward,
      .attention_backward = either::attention_backward,
      .softmax_maximum = either::softmax_maximum,
      .softmax_sum = either::softmax_sum,
      .cross_entropy_loss = cross_entropy_loss,
      .softmax_gradient = either::softmax_gradient,
      .softmax_cross_entropy = either::softmax_cross_entropy,
      .adamw = adamw,
      .sums_of_squares = sums_of_squares,
      .copy_from_host = copy_from_host,
      .copy_to_host = copy_to_host,
  };
  return kTable;
}

}  // namespace stagecraft::cpu
