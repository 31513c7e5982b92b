// Operations that look at one element, or one row of a bias, at a time. Where nothing else is said
// all tensors of a call hold the same, float32 or bfloat16, and are computed on in float32. Every
// matrix may be a column range.
#pragma once

#include "kernels/base/random.h"
#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"
#include "kernels/ops/access.h"
#include "kernels/ops/activation.h"

namespace stagecraft {

/// Which elements of a tensor [rows, columns] are dropped, as a function of logical coordinates:
/// the tensor holds the rows from first_row on of a tensor [samples * rows_per_sample, columns], of
/// which element (row, column) of sample s is number row * columns + column of the sequence (key,
/// step, first_sample + s). It is kept, and multiplied by 1 / (1 - probability), where
/// uniform(word) >= probability.
struct Dropout {
  float probability = 0;  // in [0, 1); 0: nothing is dropped and nothing is drawn
  std::uint64_t key = 0;  // random_key(seed, name)
  std::uint32_t step = 0;
  std::uint64_t first_sample = 0;
  std::int64_t rows_per_sample = 1;
  std::int64_t first_row = 0;
};

/// y = f(x), f by its kind.
struct ActivationForward {
  Tensor x;  // any shape
  Tensor y;  // as x; may not be x
  Activation kind = Activation::gelu_tanh;
};
template <>
inline constexpr auto kTensors<ActivationForward> = std::tuple(reads(&ActivationForward::x),
                                                               writes(&ActivationForward::y));
void activation_forward(Stream& stream, const ActivationForward& args);

/// dx = dy * f'(x).  dx may be dy.
struct ActivationBackward {
  Tensor dy;
  Tensor x;
  Tensor dx;
  Activation kind = Activation::gelu_tanh;
};
template <>
inline constexpr auto kTensors<ActivationBackward> = std::tuple(reads(&ActivationBackward::dy),
                                                                reads(&ActivationBackward::x),
                                                                writes(&ActivationBackward::dx));
void activation_backward(Stream& stream, const ActivationBackward& args);

/// y = residual + dropout(x + bias); an empty bias or residual counts as zero. y may be x or
/// residual.
struct BiasDropoutResidual {
  Tensor x;              // [rows, h]
  Tensor bias = {};      // [h] or empty
  Tensor residual = {};  // [rows, h] or empty
  Dropout dropout = {};
  Tensor y;  // [rows, h]
};
template <>
inline constexpr auto kTensors<BiasDropoutResidual> =
    std::tuple(reads(&BiasDropoutResidual::x), reads(&BiasDropoutResidual::bias),
               reads(&BiasDropoutResidual::residual), writes(&BiasDropoutResidual::y));
void bias_dropout_residual(Stream& stream, const BiasDropoutResidual& args);

/// dx = dropout'(dy): the same mask and factor. dx may be dy.
struct DropoutBackward {
  Tensor dy;  // [rows, h]
  Dropout dropout;
  Tensor dx;  // [rows, h]
};
template <>
inline constexpr auto kTensors<DropoutBackward> = std::tuple(reads(&DropoutBackward::dy),
                                                             writes(&DropoutBackward::dx));
void dropout_backward(Stream& stream, const DropoutBackward& args);

/// dbias (+)= sum over rows of dy, added in fixed blocks of rows.
struct BiasGradient {
  Tensor dy;     // [rows, n]
  Tensor dbias;  // [n] float32
  bool accumulate = true;
};
template <>
inline constexpr auto kTensors<BiasGradient> = std::tuple(reads(&BiasGradient::dy),
                                                          accumulates(&BiasGradient::dbias));
void bias_gradient(Stream& stream, const BiasGradient& args);

/// c = a + b, element by element, float32, bfloat16 or float64. c may be a or b.
struct Add {
  Tensor a;
  Tensor b;
  Tensor c;
};
template <>
inline constexpr auto kTensors<Add> = std::tuple(reads(&Add::a), reads(&Add::b), writes(&Add::c));
void add(Stream& stream, const Add& args);

/// c = max(a, b), element by element, float32. c may be a or b.
struct Maximum {
  Tensor a;
  Tensor b;
  Tensor c;
};
template <>
inline constexpr auto kTensors<Maximum> = std::tuple(reads(&Maximum::a), reads(&Maximum::b),
                                                     writes(&Maximum::c));
void maximum(Stream& stream, const Maximum& args);

/// Copies the elements of `from` to `to`, of the same shape and dtype.
struct Copy {
  Tensor from;
  Tensor to;
};
template <>
inline constexpr auto kTensors<Copy> = std::tuple(reads(&Copy::from), writes(&Copy::to));
void copy(Stream& stream, const Copy& args);

/// to = from, of the same shape; float32 and bfloat16, to the nearest where `to` is the narrower.
struct Convert {
  Tensor from;
  Tensor to;
};
template <>
inline constexpr auto kTensors<Convert> = std::tuple(reads(&Convert::from), writes(&Convert::to));
void convert(Stream& stream, const Convert& args);

/// Sets every element to zero.
struct FillZero {
  Tensor x;
};
template <>
inline constexpr auto kTensors<FillZero> = std::tuple(writes(&FillZero::x));
void fill_zero(Stream& stream, const FillZero& args);

}  // namespace stagecraft
