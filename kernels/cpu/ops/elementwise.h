// Operations that look at one element, or one row of a bias, at a time.
#pragma once

#include "kernels/ops/elementwise.h"

namespace stagecraft::cpu {

void gelu_forward(Stream& stream, const GeluForward& args);
void gelu_backward(Stream& stream, const GeluBackward& args);
void bias_dropout_residual(Stream& stream, const BiasDropoutResidual& args);
void dropout_backward(Stream& stream, const DropoutBackward& args);
void bias_gradient(Stream& stream, const BiasGradient& args);
void add(Stream& stream, const Add& args);
void maximum(Stream& stream, const Maximum& args);
void copy(Stream& stream, const Copy& args);
void convert(Stream& stream, const Convert& args);
void fill_zero(Stream& stream, const FillZero& args);

}  // namespace stagecraft::cpu
