// What a plan says about attention on GPUs: which kernel computes it, and what its dropout depends
// on.
#pragma once

#include <string>

#include "launch/setup/resolve.h"

namespace stagecraft {

/// Lines of the plan; "" where the run computes on the CPU, or cuDNN computes without dropout.
/// `cudnn`: whether the build has it.
std::string attention_lines(const ResolvedRun& run, bool cudnn);

/// Whether this build has cuDNN.
bool has_cudnn();

}  // namespace stagecraft
