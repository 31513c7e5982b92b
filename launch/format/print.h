// Text for a person, of a program that has more important work than to be read.
#pragma once

#include <cstdio>
#include <string_view>

namespace stagecraft {

/// Writes and flushes. Text that `out` does not take is dropped: a run goes on when its reader has
/// gone.
inline void print_or_drop(std::FILE* out, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), out);
  std::fflush(out);
}

}  // namespace stagecraft
