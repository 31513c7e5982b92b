// What a program's stages hold, and may hold, as words of the command line.
#pragma once

#include <string_view>

#include "stages/verify/live_memory.h"

namespace stagecraft {

/// "stash=100,weight_stash=60,tensor=1,stage=1000,limit=560" (docs/schedules.md, "Limits"):
/// what is not named is not counted, without a limit none is kept. stash and weight_stash may list
/// a number for each chunk, and stage for each stage, as "stash=100:200". Whole numbers of any
/// unit. Throws BadInput naming the word and the remedy.
Limits parse_memory_option(std::string_view words, int chunks, int stages);

}  // namespace stagecraft
