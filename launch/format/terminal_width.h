// How wide a diagram may be.
#pragma once

namespace stagecraft {

/// Columns of the terminal at standard output, at least 40; 100 where it is no terminal.
int terminal_width();

}  // namespace stagecraft
