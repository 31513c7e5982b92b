// The source of each value of a resolved configuration.
#pragma once

#include <functional>
#include <map>
#include <string>

namespace stagecraft {

/// By "section.key": a location, "default", "preset gpt2-124m", ...
using Sources = std::map<std::string, std::string, std::less<>>;

}  // namespace stagecraft
