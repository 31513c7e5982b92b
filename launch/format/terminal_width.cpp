#include "launch/format/terminal_width.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

namespace stagecraft {

int terminal_width() {
  constexpr int kWithoutTerminal = 100;
  constexpr int kMin = 40;
  winsize size = {};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? std::max<int>(size.ws_col, kMin) : kWithoutTerminal;
}

}  // namespace stagecraft
