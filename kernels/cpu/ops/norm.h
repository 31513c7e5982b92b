// Layer normalisation, a row at a time.
#pragma once

#include "kernels/ops/norm.h"

namespace stagecraft::cpu {

void layer_norm_forward(Stream& stream, const LayerNormForward& args);
void layer_norm_backward_input(Stream& stream, const LayerNormBackwardInput& args);
void layer_norm_backward_weight(Stream& stream, const LayerNormBackwardWeight& args);

}  // namespace stagecraft::cpu
