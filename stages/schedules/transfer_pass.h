// The pass that adds transfers to a program of compute alone.
#pragma once

#include "stages/program/program.h"

namespace stagecraft {

/// Adds a receive before every instruction whose input comes from another stage and a send behind
/// every one whose output goes to another; transfers that follow each other without compute between
/// them form one group, since neighbours would otherwise wait for each other crosswise. Where
/// stages would wait for each other all the same, since one is to send what the other takes only
/// later, the receive is drawn forward; its stage keeps the tensor until it is used.
Program with_transfers(Program program);

}  // namespace stagecraft
