// The memory of a program's stages, and its limit, from the command line.
#pragma once

#include <string_view>

#include "stages/verify/live_memory.h"

namespace stagecraft {

/// "stash=100,weight_stash=60,tensor=1,stage=1000,limit=560" (docs/schedules.md, "Limits"). A name
/// that is left out is not counted; without `limit` there is none. stash and weight_stash may list
/// a number for each chunk, and stage for each stage, as "stash=[100,200]". Whole numbers of any
/// unit. Throws Error naming the entry and the remedy.
Limits parse_memory_option(std::string_view text, int chunks, int stages);

}  // namespace stagecraft
