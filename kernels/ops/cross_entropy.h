// Softmax cross-entropy over vocabulary shards: logits are never gathered. Three passes with two
// reductions between them (Megatron-LM, arXiv 1909.08053, section 3); on one shard the reductions
// do nothing. Logits are float32 or bfloat16, statistics and everything between float32. Column c
// of the local logits is token first_token + c; columns from `vocabulary - first_token` on are
// padding and take part in nothing.
#pragma once

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"
#include "kernels/ops/access.h"

namespace stagecraft {

/// A target that is not counted: no loss and no gradient.
inline constexpr std::int32_t kIgnoredTarget = -1;

/// Which tokens the local columns stand for.
struct VocabularyShard {
  std::int64_t first_token = 0;
  std::int64_t vocabulary = 0;  // global size without padding
};

/// maximum[r] = max over local columns of logits[r]; -infinity for a shard of padding only.
struct SoftmaxMaximum {
  Tensor logits;  // [rows, local columns]
  VocabularyShard shard;
  Tensor maximum;  // [rows]
};
template <>
inline constexpr auto kTensors<SoftmaxMaximum> = std::tuple(reads(&SoftmaxMaximum::logits),
                                                            writes(&SoftmaxMaximum::maximum));
void softmax_maximum(Stream& stream, const SoftmaxMaximum& args);

/// sum_and_target[0][r] = sum over local columns of exp(logits[r] - maximum[r]);
/// sum_and_target[1][r] = logits[r][target] - maximum[r] if this shard holds the target, else 0.
struct SoftmaxSum {
  Tensor logits;   // [rows, local columns]
  Tensor maximum;  // [rows], over all shards
  Tensor targets;  // [rows] int32, a token or kIgnoredTarget
  VocabularyShard shard;
  Tensor sum_and_target;  // [2, rows]
};
template <>
inline constexpr auto kTensors<SoftmaxSum> = std::tuple(reads(&SoftmaxSum::logits),
                                                        reads(&SoftmaxSum::maximum),
                                                        reads(&SoftmaxSum::targets),
                                                        writes(&SoftmaxSum::sum_and_target));
void softmax_sum(Stream& stream, const SoftmaxSum& args);

/// loss[0] = sum over rows with a counted target of log(sum) - target logit, in float64, added in a
/// fixed order.
struct CrossEntropyLoss {
  Tensor sum_and_target;  // [2, rows], over all shards
  Tensor targets;         // [rows] int32
  Tensor loss;            // [1] float64
};
template <>
inline constexpr auto kTensors<CrossEntropyLoss> =
    std::tuple(reads(&CrossEntropyLoss::sum_and_target), reads(&CrossEntropyLoss::targets),
               writes(&CrossEntropyLoss::loss));
void cross_entropy_loss(Stream& stream, const CrossEntropyLoss& args);

/// In place: logits[r][c] = scale * (exp(logits[r][c] - maximum[r]) / sum[r] - [c is the target]);
/// rows with an ignored target and padding columns become 0.
struct SoftmaxGradient {
  Tensor logits;          // [rows, local columns], becomes the gradient
  Tensor maximum;         // [rows]
  Tensor sum_and_target;  // [2, rows]
  Tensor targets;         // [rows] int32
  VocabularyShard shard;
  float scale = 1;
};
template <>
inline constexpr auto kTensors<SoftmaxGradient> =
    std::tuple(updates(&SoftmaxGradient::logits), reads(&SoftmaxGradient::maximum),
               reads(&SoftmaxGradient::sum_and_target), reads(&SoftmaxGradient::targets));
void softmax_gradient(Stream& stream, const SoftmaxGradient& args);

/// All of these in one, for logits of the whole vocabulary: the loss, and the gradient in place.
/// The bits are those of the parts; each row is read from memory once.
struct SoftmaxCrossEntropy {
  Tensor logits;   // [rows, at least vocabulary], becomes the gradient
  Tensor targets;  // [rows] int32
  std::int64_t vocabulary = 0;
  float scale = 1;
  Tensor loss;  // [1] float64
};
template <>
inline constexpr auto kTensors<SoftmaxCrossEntropy> =
    std::tuple(updates(&SoftmaxCrossEntropy::logits), reads(&SoftmaxCrossEntropy::targets),
               writes(&SoftmaxCrossEntropy::loss));
void softmax_cross_entropy(Stream& stream, const SoftmaxCrossEntropy& args);

}  // namespace stagecraft
