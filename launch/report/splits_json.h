// The splits that `stagecraft plan` found, for other programs.
#pragma once

#include <string>

#include "stages/plan/split_search.h"

namespace stagecraft {

/// docs/prediction.md lists the names.
std::string splits_json(const SearchRequest& request, const SplitSearch& found);

}  // namespace stagecraft
