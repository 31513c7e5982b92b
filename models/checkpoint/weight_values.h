// The values of weights as files hold them: float32, float16 or bfloat16.
#pragma once

#include <span>
#include <string_view>

#include "models/checkpoint/weight_layout.h"

namespace stagecraft {

/// Whether a safetensors dtype can be read as float32.
bool is_readable_weight(std::string_view dtype);

/// Fills the part's elements of a box from the data of the file's tensor. Conversion is exact.
/// `values` are the box's elements, row-major; those outside of the part stay as they are.
void read_weight_part(const WeightPart& part, std::string_view dtype,
                      std::span<const std::byte> data, std::span<float> values);

/// The way back, in float32: the part's elements of the box in the order in which the file has
/// them.
void gather_weight_part(const WeightPart& part, std::span<const float> values,
                        std::span<float> in_file_order);

}  // namespace stagecraft
