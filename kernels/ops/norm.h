// Layer normalisation (Ba et al., arXiv 1607.06450) over the last dimension of x [rows, h]. x, y
// and their gradients hold the same, float32 or bfloat16; gamma, beta, their gradients and the
// statistics are float32, as is everything between.
#pragma once

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"
#include "kernels/ops/access.h"

namespace stagecraft {

/// mean[r] = avg(x[r]), rstd[r] = 1 / sqrt(var(x[r]) + epsilon) (biased variance),
/// y = (x - mean) * rstd * gamma + beta; an empty beta counts as zero.   = (writes y, mean, rstd)
struct LayerNormForward {
  Tensor x;          // [rows, h]
  Tensor gamma;      // [h]
  Tensor beta = {};  // [h] or empty
  float epsilon = 1e-5F;
  Tensor y;     // [rows, h]
  Tensor mean;  // [rows]
  Tensor rstd;  // [rows]
};
template <>
inline constexpr auto kTensors<LayerNormForward> = std::tuple(
    reads(&LayerNormForward::x), reads(&LayerNormForward::gamma), reads(&LayerNormForward::beta),
    writes(&LayerNormForward::y), writes(&LayerNormForward::mean), writes(&LayerNormForward::rstd));
void layer_norm_forward(Stream& stream, const LayerNormForward& args);

/// Rows whose terms of the weights' gradients are added to one partial sum.
inline constexpr std::int64_t kNormSumRows = 128;

/// The shape of the partial sums of `rows` rows of h elements.
inline Shape norm_sums_shape(std::int64_t rows, std::int64_t h) {
  return {(rows + kNormSumRows - 1) / kNormSumRows, 2, h};
}

/// dx = residual_gradient + d(loss)/dx through the norm; an empty residual_gradient counts as zero.
/// dx may be residual_gradient itself. In the same pass sums[b] receives what rows 128 b .. 128 b +
/// 127 add to the gradients of gamma, dy * (x - mean) * rstd, and of beta, dy.
/// = (writes dx and sums)
struct LayerNormBackwardInput {
  Tensor dy;                      // [rows, h]
  Tensor x;                       // [rows, h]
  Tensor gamma;                   // [h]
  Tensor mean;                    // [rows]
  Tensor rstd;                    // [rows]
  Tensor residual_gradient = {};  // [rows, h] or empty
  Tensor dx;                      // [rows, h]
  Tensor sums;                    // norm_sums_shape(rows, h), float32
};
template <>
inline constexpr auto kTensors<LayerNormBackwardInput> = std::tuple(
    reads(&LayerNormBackwardInput::dy), reads(&LayerNormBackwardInput::x),
    reads(&LayerNormBackwardInput::gamma), reads(&LayerNormBackwardInput::mean),
    reads(&LayerNormBackwardInput::rstd), reads(&LayerNormBackwardInput::residual_gradient),
    writes(&LayerNormBackwardInput::dx), writes(&LayerNormBackwardInput::sums));
void layer_norm_backward_input(Stream& stream, const LayerNormBackwardInput& args);

/// dgamma (+)= sum over b of sums[b][0] and, unless dbeta is empty, dbeta (+)= sum over b of
/// sums[b][1], in a fixed order.
/// = or, with accumulate, +=
struct LayerNormBackwardWeight {
  Tensor sums;        // [blocks, 2, h]
  Tensor dgamma;      // [h]
  Tensor dbeta = {};  // [h] or empty
  bool accumulate = true;
};
template <>
inline constexpr auto kTensors<LayerNormBackwardWeight> =
    std::tuple(reads(&LayerNormBackwardWeight::sums), accumulates(&LayerNormBackwardWeight::dgamma),
               accumulates(&LayerNormBackwardWeight::dbeta));
void layer_norm_backward_weight(Stream& stream, const LayerNormBackwardWeight& args);

}  // namespace stagecraft
