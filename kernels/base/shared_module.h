// Parts of the program that are opened when they are first needed: shared modules in `lib/` beside
// the executable's `bin/`.
#pragma once

#include <string>

namespace stagecraft {

/// The address of `symbol` in lib/`file`, which stays open to the program's end: what it gives may
/// live as long. Throws Error{place, ..} with the loader's reason.
void* symbol_of_module(const std::string& where, const std::string& file,
                       const std::string& symbol);

}  // namespace stagecraft
