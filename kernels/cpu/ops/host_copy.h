// On the CPU the device's memory is the host's.
#pragma once

#include "kernels/ops/host_copy.h"

namespace stagecraft::cpu {

void copy_from_host(Stream& stream, const CopyFromHost& args);
void copy_to_host(Stream& stream, const CopyToHost& args);

}  // namespace stagecraft::cpu
