// AdamW in one pass over weight, gradient and both moments.
#pragma once

#include "kernels/ops/adamw.h"

namespace stagecraft::cuda {

void adamw(Stream& stream, const AdamW& args);

}  // namespace stagecraft::cuda
