// Layer normalisation (Ba et al., arXiv 1607.06450) over the last dimension of x [rows, h].
#pragma once

#include "kernels/stream.h"
#include "kernels/tensor.h"

namespace stagecraft {

/// mean[r] = avg(x[r]), rstd[r] = 1 / sqrt(var(x[r]) + epsilon) (biased variance),
/// y = (x - mean) * rstd * gamma + beta.   = (writes y, mean, rstd)
struct LayerNormForward {
  Tensor x;      // [rows, h]
  Tensor gamma;  // [h]
  Tensor beta;   // [h]
  float epsilon = 1e-5F;
  Tensor y;     // [rows, h]
  Tensor mean;  // [rows]
  Tensor rstd;  // [rows]
};
void layer_norm_forward(Stream& stream, const LayerNormForward& args);

/// dx = residual_gradient + d(loss)/dx through the norm; an empty residual_gradient counts as zero.
/// dx may be residual_gradient itself.   = (writes dx)
struct LayerNormBackwardInput {
  Tensor dy;                      // [rows, h]
  Tensor x;                       // [rows, h]
  Tensor gamma;                   // [h]
  Tensor mean;                    // [rows]
  Tensor rstd;                    // [rows]
  Tensor residual_gradient = {};  // [rows, h] or empty
  Tensor dx;                      // [rows, h]
};
void layer_norm_backward_input(Stream& stream, const LayerNormBackwardInput& args);

/// dgamma (+)= sum over rows of dy * (x - mean) * rstd; dbeta (+)= sum over rows of dy. Rows are
/// added in fixed blocks.   = or, with accumulate, +=
struct LayerNormBackwardWeight {
  Tensor dy;      // [rows, h]
  Tensor x;       // [rows, h]
  Tensor mean;    // [rows]
  Tensor rstd;    // [rows]
  Tensor dgamma;  // [h]
  Tensor dbeta;   // [h]
  bool accumulate = true;
};
void layer_norm_backward_weight(Stream& stream, const LayerNormBackwardWeight& args);

}  // namespace stagecraft
