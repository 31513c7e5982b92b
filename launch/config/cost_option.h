// The costs of instructions, from the command line or a configuration.
#pragma once

#include <string_view>

#include "stages/predict/cost_table.h"

namespace stagecraft {

/// "F=1,I=1,W=1,B=2,transfer=0.1,T=0,D=0,U=0". A name that is left out has CostTable's default. F,
/// I, W and B may list a number for each of the program's chunks, as "F=[1,1,2]". Throws Error
/// naming the entry and the remedy.
CostTable parse_cost_option(std::string_view text, int chunks);

}  // namespace stagecraft
