// The one list of operations: X(name, Args) for each `void name(Stream&, const Args&)`. Tables of
// backends are declared and filled from it. Only they and dispatch.cpp include it, so that a new
// operation recompiles nothing else.
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
#include "kernels/ops/tensor_hash.h"

// clang-format off
#define STAGECRAFT_OPERATIONS(X)                            \
  X(matmul, Matmul)                                         \
  X(matmul_batch, MatmulBatch)                              \
  X(layer_norm_forward, LayerNormForward)                   \
  X(layer_norm_backward_input, LayerNormBackwardInput)      \
  X(layer_norm_backward_weight, LayerNormBackwardWeight)    \
  X(activation_forward, ActivationForward)                  \
  X(activation_backward, ActivationBackward)                \
  X(bias_dropout_residual, BiasDropoutResidual)             \
  X(dropout_backward, DropoutBackward)                      \
  X(bias_gradient, BiasGradient)                            \
  X(add, Add)                                               \
  X(maximum, Maximum)                                       \
  X(copy, Copy)                                             \
  X(convert, Convert)                                       \
  X(fill_zero, FillZero)                                    \
  X(token_embedding_forward, TokenEmbeddingForward)         \
  X(token_embedding_backward, TokenEmbeddingBackward)       \
  X(position_embedding_forward, PositionEmbeddingForward)   \
  X(position_embedding_backward, PositionEmbeddingBackward) \
  X(attention_forward, AttentionForward)                    \
  X(attention_backward, AttentionBackward)                  \
  X(softmax_maximum, SoftmaxMaximum)                        \
  X(softmax_sum, SoftmaxSum)                                \
  X(cross_entropy_loss, CrossEntropyLoss)                   \
  X(softmax_gradient, SoftmaxGradient)                      \
  X(softmax_cross_entropy, SoftmaxCrossEntropy)             \
  X(adamw, AdamW)                                           \
  X(sums_of_squares, SumsOfSquares)                         \
  X(tensor_hashes, TensorHashes)                            \
  X(copy_from_host, CopyFromHost)                           \
  X(copy_to_host, CopyToHost)                               \
  X(start_copy_to_host, StartCopyToHost)
// clang-format on
