// Cross-entropy on CUDA: a row of logits is one block's; sums within it have a fixed order.
#pragma once

#include "kernels/ops/cross_entropy.h"

namespace stagecraft::cuda {

void softmax_maximum(Stream& stream, const SoftmaxMaximum& args);

/// The CPU refuses a target that is no token; here the host does not look, and the row's target
/// logit becomes NaN, and so the loss.
void softmax_sum(Stream& stream, const SoftmaxSum& args);

void cross_entropy_loss(Stream& stream, const CrossEntropyLoss& args);
void softmax_gradient(Stream& stream, const SoftmaxGradient& args);
void softmax_cross_entropy(Stream& stream, const SoftmaxCrossEntropy& args);

}  // namespace stagecraft::cuda
