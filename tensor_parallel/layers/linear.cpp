#include "tensor_parallel/layers/linear.h"

#include "kernels/ops/elementwise.h"
#include "kernels/ops/matmul.h"
#include "tensor_parallel/sharding/reduction_tree.h"

namespace stagecraft {
namespace {

/// The shards of a column-parallel weight, one below the other: [shards * in, out of a shard].
Tensor stacked(const Tensor& weight, std::int64_t in, int shards) {
  const std::int64_t rows = shards * in;
  return shards == 1 ? weight : weight.view({rows, rows == 0 ? 0 : weight.elements() / rows});
}

void multiply(Stream& stream, const MatmulBatch& shards) {
  if (shards.count == 1) {
    matmul(stream, shards.joined);
  } else {
    matmul_batch(stream, shards);
  }
}

/// joined.c = the sum of the shards' products, each rounded to what c holds and added along the
/// tree.
void multiply_and_add(Stream& stream, MatmulBatch shards) {
  if (shards.count == 1) {
    matmul(stream, shards.joined);
    return;
  }
  const Tensor sum = shards.joined.c;
  const std::int64_t rows = sum.size(0);
  const Tensor terms(stream.memory(), {shards.count * rows, sum.size(1)}, sum.dtype(),
                     MemoryLabel::workspace);
  shards.joined.c = terms;
  shards.c = BatchPart::rows;
  matmul_batch(stream, shards);
  const auto term = [&](int number) { return terms.rows(number * rows, (number + 1) * rows); };
  const std::vector<TreeNode> tree = reduction_tree(static_cast<int>(shards.count));
  for (const TreeNode& node : tree) {
    const Tensor into = term(node.into);
    add(stream, {.a = into, .b = term(node.from), .c = &node == &tree.back() ? sum : into});
  }
}

}  // namespace

void column_linear_forward(Stream& stream, const Tensor& x, const Tensor& weight,
                           const Tensor& bias, const Tensor& y, int shards) {
  multiply(stream,
           {.joined = {.a = x, .b = stacked(weight, x.size(1), shards), .c = y, .bias = bias},
            .count = shards,
            .b = BatchPart::rows});
}

void column_linear_activation_forward(Stream& stream, const Tensor& x, const Tensor& weight,
                                      const Tensor& bias, Activation activation,
                                      const Tensor& pre_activation, const Tensor& y, int shards) {
  multiply(stream, {.joined = {.a = x,
                               .b = stacked(weight, x.size(1), shards),
                               .c = y,
                               .bias = bias,
                               .pre_activation = pre_activation,
                               .activation = activation},
                    .count = shards,
                    .b = BatchPart::rows});
}

Event column_linear_backward_input(Stream& stream, Communicator& tensor, const Tensor& dy,
                                   const Tensor& weight, const Tensor& dx, int shards) {
  multiply_and_add(
      stream,
      {.joined = {.a = dy, .b = {stacked(weight, dx.size(1), shards), Transpose::yes}, .c = dx},
       .count = shards,
       .a = BatchPart::columns,
       .b = BatchPart::rows});
  return start_all_reduce(tensor, stream, dx, ReduceOp::sum, Order::tree);
}

void row_linear_forward(Stream& stream, Communicator& tensor, const Tensor& x, const Tensor& weight,
                        const Tensor& y, int shards) {
  multiply_and_add(stream, {.joined = {.a = x, .b = weight, .c = y},
                            .count = shards,
                            .a = BatchPart::columns,
                            .b = BatchPart::rows});
  tensor.all_reduce(stream, y, ReduceOp::sum, Order::tree);
}

void row_linear_backward_input(Stream& stream, const Tensor& dy, const Tensor& weight,
                               const Tensor& dx, int shards) {
  multiply(stream, {.joined = {.a = dy, .b = {weight, Transpose::yes}, .c = dx},
                    .count = shards,
                    .b = BatchPart::rows});
}

void row_linear_activation_backward_input(Stream& stream, const Tensor& dy, const Tensor& weight,
                                          Activation activation, const Tensor& pre_activation,
                                          const Tensor& dx, int shards) {
  multiply(stream, {.joined = {.a = dy,
                               .b = {weight, Transpose::yes},
                               .c = dx,
                               .activation_grad_of = pre_activation,
                               .activation = activation},
                    .count = shards,
                    .b = BatchPart::rows});
}

void linear_backward_weight(Stream& stream, const Tensor& x, const Tensor& dy,
                            const Tensor& dweight, const Tensor& dbias, bool accumulate,
                            LinearKind kind, int shards) {
  const bool by_columns = kind == LinearKind::column_parallel;
  multiply(stream, {.joined = {.a = {x, Transpose::yes},
                               .b = dy,
                               .c = by_columns ? stacked(dweight, x.size(1), shards) : dweight,
                               .accumulate = accumulate},
                    .count = shards,
                    .a = by_columns ? BatchPart::all : BatchPart::columns,
                    .b = by_columns ? BatchPart::columns : BatchPart::all,
                    .c = BatchPart::rows});
  if (!dbias.empty()) {
    bias_gradient(stream, {.dy = dy, .dbias = dbias, .accumulate = accumulate});
  }
}

}  // namespace stagecraft
