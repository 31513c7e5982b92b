// Linear layers sharded over the tensor axis (Megatron-LM, arXiv 1909.08053, section 3). Weights
// are [in, out]. Column-parallel: each rank holds columns of the weight, the input is replicated,
// the output is local. Row-parallel: each rank holds rows of the weight, the input is local, the
// output is summed over ranks.
//
// A rank may hold several shards. In its weight and its bias they lie one behind the other, each as
// a rank with this shard alone holds it; the local columns of activations are joined. Every shard
// is a product of its own, and sums over shards are added along one tree (reduction_tree.h), every
// join rounded to what the sum holds, inside a rank and then between ranks. So ranks with s shards
// each, s a power of two, compute the bits of s times as many ranks with one.
#pragma once

#include "kernels/ops/activation.h"
#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

/// Along which dimension of its weight a layer is sharded.
enum class LinearKind : std::uint8_t { column_parallel, row_parallel };

/// y [rows, out / t] = x [rows, in] weight [in, out / t] + bias [out / t]; an empty bias counts as
/// zero.
void column_linear_forward(Stream& stream, const Tensor& x, const Tensor& weight,
                           const Tensor& bias, const Tensor& y, int shards = 1);
/// The same with an activation f: pre_activation = x weight + bias, y = f(pre_activation).
void column_linear_activation_forward(Stream& stream, const Tensor& x, const Tensor& weight,
                                      const Tensor& bias, Activation activation,
                                      const Tensor& pre_activation, const Tensor& y,
                                      int shards = 1);
/// dx [rows, in] = sum over ranks of dy [rows, out / t] weight^T. The sum is complete when `stream`
/// has waited for the event; until then it overlaps with later work, e.g. the weight's gradient.
[[nodiscard]] Event column_linear_backward_input(Stream& stream, Communicator& tensor,
                                                 const Tensor& dy, const Tensor& weight,
                                                 const Tensor& dx, int shards = 1);
/// y [rows, out] = sum over ranks of x [rows, in / t] weight [in / t, out]. The caller adds the
/// bias.
void row_linear_forward(Stream& stream, Communicator& tensor, const Tensor& x, const Tensor& weight,
                        const Tensor& y, int shards = 1);
/// dx [rows, in / t] = dy [rows, out] weight^T.
void row_linear_backward_input(Stream& stream, const Tensor& dy, const Tensor& weight,
                               const Tensor& dx, int shards = 1);
/// The same through the activation f in front of it: dx = f'(pre_activation) * (dy weight^T).
void row_linear_activation_backward_input(Stream& stream, const Tensor& dy, const Tensor& weight,
                                          Activation activation, const Tensor& pre_activation,
                                          const Tensor& dx, int shards = 1);
/// dweight (+)= x^T dy and, unless dbias is empty, dbias (+)= sum over rows of dy. Needs no
/// communication. With one shard both kinds are the same product.
void linear_backward_weight(Stream& stream, const Tensor& x, const Tensor& dy,
                            const Tensor& dweight, const Tensor& dbias, bool accumulate,
                            LinearKind kind = LinearKind::column_parallel, int shards = 1);

}  // namespace stagecraft
