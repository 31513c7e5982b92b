// What a backend provides: one function per operation, after the checks of kernels/ops/*.cpp. A
// stream carries its backend's table, so that no caller knows which backend it talks to.
#pragma once

#include "kernels/ops/adamw.h"
#include "kernels/ops/attention.h"
#include "kernels/ops/cross_entropy.h"
#include "kernels/ops/elementwise.h"
#include "kernels/ops/embedding.h"
#include "kernels/ops/host_copy.h"
#include "kernels/ops/matmul.h"
#include "kernels/ops/norm.h"
#include "kernels/ops/reduce.h"

namespace stagecraft {

template <typename Args>
using Op = void (*)(Stream&, const Args&);

struct OpTable {
  /// Why the device does not compute in bfloat16; empty where it does.
  std::string_view without_bfloat16;
  Op<Matmul> matmul;
  Op<LayerNormForward> layer_norm_forward;
  Op<LayerNormBackwardInput> layer_norm_backward_input;
  Op<LayerNormBackwardWeight> layer_norm_backward_weight;
  Op<GeluForward> gelu_forward;
  Op<GeluBackward> gelu_backward;
  Op<BiasDropoutResidual> bias_dropout_residual;
  Op<DropoutBackward> dropout_backward;
  Op<BiasGradient> bias_gradient;
  Op<Add> add;
  Op<Maximum> maximum;
  Op<Copy> copy;
  Op<Convert> convert;
  Op<FillZero> fill_zero;
  Op<TokenEmbeddingForward> token_embedding_forward;
  Op<TokenEmbeddingBackward> token_embedding_backward;
  Op<PositionEmbeddingForward> position_embedding_forward;
  Op<PositionEmbeddingBackward> position_embedding_backward;
  Op<AttentionForward> attention_forward;
  Op<AttentionBackward> attention_backward;
  Op<SoftmaxMaximum> softmax_maximum;
  Op<SoftmaxSum> softmax_sum;
  Op<CrossEntropyLoss> cross_entropy_loss;
  Op<SoftmaxGradient> softmax_gradient;
  Op<SoftmaxCrossEntropy> softmax_cross_entropy;
  Op<AdamW> adamw;
  Op<SumsOfSquares> sums_of_squares;
  Op<CopyFromHost> copy_from_host;
  Op<CopyToHost> copy_to_host;
};

}  // namespace stagecraft
