// Copies between the host and the device.
#pragma once

#include "kernels/ops/host_copy.h"

namespace stagecraft::cuda {

void copy_from_host(Stream& stream, const CopyFromHost& args);
void copy_to_host(Stream& stream, const CopyToHost& args);

}  // namespace stagecraft::cuda
