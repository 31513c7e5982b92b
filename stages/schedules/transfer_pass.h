// The pass that adds transfers to a compute-only program.
#pragma once

#include "stages/program/program.h"

namespace stagecraft {

/// Adds a receive before every instruction whose input comes from another stage, and a send after
/// every instruction whose output goes to another stage. Transfers without compute between them
/// form one group; otherwise two stages that send to each other would deadlock. Where stages would
/// still deadlock, because one sends a tensor that the other receives only later, the receive is
/// hoisted; its stage keeps the tensor until it is used.
Program with_transfers(Program program);

}  // namespace stagecraft
