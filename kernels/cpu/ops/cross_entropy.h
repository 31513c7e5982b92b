// Cross-entropy on the CPU: a piece is a few rows of logits; sums within a row have a fixed order.
#pragma once

#include "kernels/ops/cross_entropy.h"

namespace stagecraft::cpu {

void softmax_maximum(Stream& stream, const SoftmaxMaximum& args);
void softmax_sum(Stream& stream, const SoftmaxSum& args);
void cross_entropy_loss(Stream& stream, const CrossEntropyLoss& args);
void softmax_gradient(Stream& stream, const SoftmaxGradient& args);
void softmax_cross_entropy(Stream& stream, const SoftmaxCrossEntropy& args);

}  // namespace stagecraft::cpu
