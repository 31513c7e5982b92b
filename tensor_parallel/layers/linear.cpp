#include "tensor_parallel/layers/linear.h"

#include "kernels/ops/elementwise.h"
#include "kernels/ops/matmul.h"
#include "tensor_parallel/sharding/reduction_tree.h"

namespace stagecraft {
namespace {

/// Of a weight [in, out] or [shards, in, out].
std::int64_t shards_of(const Tensor& weight) { return weight.rank() == 3 ? weight.size(0) : 1; }

/// The shards of a weight, one below the other.
Tensor stacked(const Tensor& weight) {
  return weight.rank() == 3 ? weight.view({weight.size(0) * weight.size(1), weight.size(2)})
                            : weight;
}

/// The shards of a bias, side by side.
Tensor joined(const Tensor& bias) {
  return !bias.empty() && bias.rank() == 2 ? bias.view({bias.elements()}) : bias;
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
                           const Tensor& bias, const Tensor& y) {
  column_linear_activation_forward(stream, x, weight, bias, {}, {}, y);
}

void column_linear_activation_forward(Stream& stream, const Tensor& x, const Tensor& weight,
                                      const Tensor& bias, Activation activation,
                                      const Tensor& pre_activation, const Tensor& y) {
  multiply(stream, {.joined = {.a = x,
                               .b = stacked(weight),
                               .c = y,
                               .bias = joined(bias),
                               .pre_activation = pre_activation,
                               .activation = activation},
                    .count = shards_of(weight),
                    .b = BatchPart::rows});
}

Event column_linear_backward_input(Stream& stream, Communicator& tensor, const Tensor& dy,
                                   const Tensor& weight, const Tensor& dx) {
  multiply_and_add(stream, {.joined = {.a = dy, .b = {stacked(weight), Transpose::yes}, .c = dx},
                            .count = shards_of(weight),
                            .a = BatchPart::columns,
                            .b = BatchPart::rows});
  return start_all_reduce(tensor, stream, dx, ReduceOp::sum, Order::tree);
}

void row_linear_forward(Stream& stream, Communicator& tensor, const Tensor& x, const Tensor& weight,
                        const Tensor& y) {
  multiply_and_add(stream, {.joined = {.a = x, .b = stacked(weight), .c = y},
                            .count = shards_of(weight),
                            .a = BatchPart::columns,
                            .b = BatchPart::rows});
  tensor.all_reduce(stream, y, ReduceOp::sum, Order::tree);
}

void row_linear_backward_input(Stream& stream, const Tensor& dy, const Tensor& weight,
                               const Tensor& dx) {
  row_linear_activation_backward_input(stream, dy, weight, {}, {}, dx);
}

void row_linear_activation_backward_input(Stream& stream, const Tensor& dy, const Tensor& weight,
                                          Activation activation, const Tensor& pre_activation,
                                          const Tensor& dx) {
  multiply(stream, {.joined = {.a = dy,
                               .b = {stacked(weight), Transpose::yes},
                               .c = dx,
                               .activation_grad_of = pre_activation,
                               .activation = activation},
                    .count = shards_of(weight),
                    .b = BatchPart::rows});
}

void linear_backward_weight(Stream& stream, const Tensor& x, const Tensor& dy,
                            const Tensor& dweight, const Tensor& dbias, bool accumulate) {
  const std::int64_t shards = shards_of(dweight);
  // All shards of a column-parallel layer take the same x.
  const bool column_parallel = shards > 1 && dweight.size(1) == x.size(1);
  multiply(stream, {.joined = {.a = {x, Transpose::yes},
                               .b = dy,
                               .c = stacked(dweight),
                               .accumulate = accumulate},
                    .count = shards,
                    .a = column_parallel ? BatchPart::all : BatchPart::columns,
                    .b = column_parallel ? BatchPart::columns : BatchPart::all,
                    .c = BatchPart::rows});
  if (!dbias.empty()) {
    bias_gradient(stream, {.dy = dy, .dbias = joined(dbias), .accumulate = accumulate});
  }
}

}  // namespace stagecraft
