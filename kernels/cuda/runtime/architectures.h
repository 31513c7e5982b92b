// Which devices a list of architectures, as CMAKE_CUDA_ARCHITECTURES has them, is for.
#pragma once

#include <string>

namespace stagecraft::cuda {

/// Whether "80-real 90" has something for a device of compute capability `major`.`minor`: machine
/// code of its generation and no newer, or, without "-real", PTX that is no newer. From 9.0 on PTX
/// has to be for 90 or later: kernels start early there (launch.h), and wait in such code alone.
bool has_code_for(const std::string& architectures, int major, int minor);

}  // namespace stagecraft::cuda
