// Where the values of a resolved configuration came from.
#pragma once

#include <functional>
#include <map>
#include <string>

namespace stagecraft {

/// Where each value came from, by "section.key": a place, "default", "preset gpt2-124m", ...
using Sources = std::map<std::string, std::string, std::less<>>;

}  // namespace stagecraft
