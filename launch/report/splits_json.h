// The result of `stagecraft plan` as JSON for other programs.
#pragma once

#include <string>

#include "stages/plan/split_search.h"

namespace stagecraft {

/// docs/prediction.md documents the keys.
std::string splits_json(const SearchRequest& request, const SplitSearch& found);

}  // namespace stagecraft
