#include "launch/setup/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>

namespace stagecraft {

void secure_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    // The lowest free number is `stream`, since those below it are open.
    if (::fcntl(stream, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) != stream) {
      std::abort();  // nowhere to say why
    }
  }
}

}  // namespace stagecraft
