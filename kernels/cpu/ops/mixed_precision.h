// What the CPU's table of operations offers: as the functions beside it, and bfloat16 as well. They
// widen what holds it to float32, compute, and round what they store; only products multiply
// bfloat16 itself. Arguments in float32 pass through as they are.
#pragma once

#include "kernels/ops/attention.h"
#include "kernels/ops/cross_entropy.h"
#include "kernels/ops/elementwise.h"
#include "kernels/ops/embedding.h"
#include "kernels/ops/matmul.h"
#include "kernels/ops/norm.h"

namespace stagecraft::cpu {

namespace either {

void matmul(Stream& stream, const Matmul& args);
void layer_norm_forward(Stream& stream, const LayerNormForward& args);
void layer_norm_backward_input(Stream& stream, const LayerNormBackwardInput& args);
void gelu_forward(Stream& stream, const GeluForward& args);
void gelu_backward(Stream& stream, const GeluBackward& args);
void bias_dropout_residual(Stream& stream, const BiasDropoutResidual& args);
void dropout_backward(Stream& stream, const DropoutBackward& args);
void bias_gradient(Stream& stream, const BiasGradient& args);
void add(Stream& stream, const Add& args);
void token_embedding_forward(Stream& stream, const TokenEmbeddingForward& args);
void token_embedding_backward(Stream& stream, const TokenEmbeddingBackward& args);
void position_embedding_forward(Stream& stream, const PositionEmbeddingForward& args);
void position_embedding_backward(Stream& stream, const PositionEmbeddingBackward& args);
void attention_forward(Stream& stream, const AttentionForward& args);
void attention_backward(Stream& stream, const AttentionBackward& args);
void softmax_maximum(Stream& stream, const SoftmaxMaximum& args);
void softmax_sum(Stream& stream, const SoftmaxSum& args);
void softmax_gradient(Stream& stream, const SoftmaxGradient& args);
void softmax_cross_entropy(Stream& stream, const SoftmaxCrossEntropy& args);

}  // namespace either
}  // namespace stagecraft::cpu
