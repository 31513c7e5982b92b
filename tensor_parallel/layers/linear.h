// Linear layers sharded over the tensor axis (Megatron-LM, arXiv 1909.08053, section 3). Weights
// are [in, out]. Column-parallel: each rank holds columns of the weight, the input is replicated,
// the output is local. Row-parallel: each rank holds rows of the weight, the input is local, the
// output is summed over ranks.
//
// A rank may hold several shards. Then its weight is [shards, in, out] and its bias [shards, out]
// of one shard each, and the local columns of activations are joined. Every shard is a product of
// its own. Sums over shards are added along one tree (reduction_tree.h), every join rounded to what
// the sum holds, inside a rank and then between ranks. So ranks with s shards each, s a power of
// two, compute the bits of s times as many ranks with one.
#pragma once

#include "kernels/ops/activation.h"
#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

/// y [rows, out / t] = x [rows, in] weight [in, out / t] + bias [out / t]; an empty bias counts as
/// zero.
void column_linear_forward(Stream& stream, const Tensor& x, const Tensor& weight,
                           const Tensor& bias, const Tensor& y);
/// The same with an activation f: pre_activation = x weight + bias, y = f(pre_activation).
void column_linear_activation_forward(Stream& stream, const Tensor& x, const Tensor& weight,
                                      const Tensor& bias, Activation activation,
                                      const Tensor& pre_activation, const Tensor& y);
/// dx [rows, in] = sum over ranks of dy [rows, out / t] weight^T. The sum is complete when `stream`
/// has waited for the event; until then it overlaps with later work, e.g. the weight's gradient.
[[nodiscard]] Event column_linear_backward_input(Stream& stream, Communicator& tensor,
                                                 const Tensor& dy, const Tensor& weight,
                                                 const Tensor& dx);
/// y [rows, out] = sum over ranks of x [rows, in / t] weight [in / t, out]. The caller adds the
/// bias.
void row_linear_forward(Stream& stream, Communicator& tensor, const Tensor& x, const Tensor& weight,
                        const Tensor& y);
/// dx [rows, in / t] = dy [rows, out] weight^T.
void row_linear_backward_input(Stream& stream, const Tensor& dy, const Tensor& weight,
                               const Tensor& dx);
/// The same through the activation f in front of it: dx = f'(pre_activation) * (dy weight^T).
void row_linear_activation_backward_input(Stream& stream, const Tensor& dy, const Tensor& weight,
                                          Activation activation, const Tensor& pre_activation,
                                          const Tensor& dx);
/// dweight (+)= x^T dy and, unless dbias is empty, dbias (+)= sum over rows of dy. Needs no
/// communication for either kind of layer.
void linear_backward_weight(Stream& stream, const Tensor& x, const Tensor& dy,
                            const Tensor& dweight, const Tensor& dbias, bool accumulate);

}  // namespace stagecraft
