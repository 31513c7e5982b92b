// Layer normalisation: a row is one warp's, or one block's where it is long.
#pragma once

#include "kernels/ops/norm.h"

namespace stagecraft::cuda {

/// Rows of at most 65,536 elements; more throw Error.
void layer_norm_forward(Stream& stream, const LayerNormForward& args);
void layer_norm_backward_input(Stream& stream, const LayerNormBackwardInput& args);
void layer_norm_backward_weight(Stream& stream, const LayerNormBackwardWeight& args);

}  // namespace stagecraft::cuda
