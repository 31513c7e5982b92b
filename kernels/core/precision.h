// How a model is computed.
#pragma once

#include <cstdint>

#include "kernels/core/tensor.h"

namespace stagecraft {

/// float32: throughout. tf32: CUDA's matrix products round their factors to 10 bits of fraction,
/// all else is float32. bf16: activations, their gradients and a copy of the weights are bfloat16,
/// and are computed on in float32; weights, their gradients, optimizer state, statistics and losses
/// are float32.
enum class Precision : std::uint8_t { float32, tf32, bf16 };

/// What activations hold.
constexpr DType activation_dtype(Precision precision) {
  return precision == Precision::bf16 ? DType::bfloat16 : DType::float32;
}

}  // namespace stagecraft
