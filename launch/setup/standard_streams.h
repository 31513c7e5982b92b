// The three streams that every program is started with.
#pragma once

namespace stagecraft {

/// Opens /dev/null for each of stdin, stdout and stderr that is closed. Call it before any file is
/// opened: a file would get the free number, and what is printed would land in it.
void secure_standard_streams();

}  // namespace stagecraft
