// AdamW in one pass over weight, gradient and both moments.
#pragma once

#include "kernels/ops/adamw.h"

namespace stagecraft::cpu {

void adamw(Stream& stream, const AdamW& args);

}  // namespace stagecraft::cpu
