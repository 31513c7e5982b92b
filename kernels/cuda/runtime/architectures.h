// Which devices a list of architectures, as CMAKE_CUDA_ARCHITECTURES has them, is for.
#pragma once

#include <string>

namespace stagecraft::cuda {

/// Whether "80-real 90" has something for a device of compute capability `major`.`minor`: machine
/// code of its generation and no newer, or, without "-real", PTX that is no newer.
bool has_code_for(const std::string& architectures, int major, int minor);

}  // namespace stagecraft::cuda
