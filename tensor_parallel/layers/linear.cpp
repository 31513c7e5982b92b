#include "tensor_parallel/layers/linear.h"

#include "kernels/ops/elementwise.h"
#include "kernels/ops/matmul.h"

namespace stagecraft {

void column_linear_forward(Stream& stream, const Tensor& x, const Tensor& weight,
                           const Tensor& bias, const Tensor& y) {
  matmul(stream, {.a = x, .b = weight, .c = y, .bias = bias});
}

void column_linear_activation_forward(Stream& stream, const Tensor& x, const Tensor& weight,
                                      const Tensor& bias, Activation activation,
                                      const Tensor& pre_activation, const Tensor& y) {
  matmul(stream, {.a = x,
                  .b = weight,
                  .c = y,
                  .bias = bias,
                  .pre_activation = pre_activation,
                  .activation = activation});
}

Event column_linear_backward_input(Stream& stream, Communicator& tensor, const Tensor& dy,
                                   const Tensor& weight, const Tensor& dx) {
  matmul(stream, {.a = dy, .b = weight, .transpose_b = Transpose::yes, .c = dx});
  return start_all_reduce(tensor, stream, dx, ReduceOp::sum, Order::tree);
}

void row_linear_forward(Stream& stream, Communicator& tensor, const Tensor& x, const Tensor& weight,
                        const Tensor& y) {
  matmul(stream, {.a = x, .b = weight, .c = y});
  tensor.all_reduce(stream, y, ReduceOp::sum, Order::tree);
}

void row_linear_backward_input(Stream& stream, const Tensor& dy, const Tensor& weight,
                               const Tensor& dx) {
  matmul(stream, {.a = dy, .b = weight, .transpose_b = Transpose::yes, .c = dx});
}

void row_linear_activation_backward_input(Stream& stream, const Tensor& dy, const Tensor& weight,
                                          Activation activation, const Tensor& pre_activation,
                                          const Tensor& dx) {
  matmul(stream, {.a = dy,
                  .b = weight,
                  .transpose_b = Transpose::yes,
                  .c = dx,
                  .activation_grad_of = pre_activation,
                  .activation = activation});
}

void linear_backward_weight(Stream& stream, const Tensor& x, const Tensor& dy,
                            const Tensor& dweight, const Tensor& dbias, bool accumulate) {
  matmul(stream,
         {.a = x, .transpose_a = Transpose::yes, .b = dy, .c = dweight, .accumulate = accumulate});
  if (!dbias.empty()) {
    bias_gradient(stream, {.dy = dy, .dbias = dbias, .accumulate = accumulate});
  }
}

}  // namespace stagecraft
