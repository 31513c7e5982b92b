// Threads are granted as far as a limit allows; the limit on address space binds root too.
#include "kernels/base/thread_probe.h"

#include <sys/resource.h>

#include <catch2/catch.hpp>

#include "tests/child_process.h"

namespace stagecraft {

TEST_CASE("the system grants a few threads, and no more than their stacks have room") {
  CHECK(granted_threads(0) == 0);
  CHECK(granted_threads(3) == 3);
  test::Child child([] {
    const rlimit space{std::size_t{1} << 30, std::size_t{1} << 30};
    ::setrlimit(RLIMIT_AS, &space);
    const rlimit stack{std::size_t{64} << 20, std::size_t{64} << 20};
    ::setrlimit(RLIMIT_STACK, &stack);
    const int granted = granted_threads(1000);
    if (granted >= 1000 || granted_threads(granted / 2) != granted / 2) {
      throw std::runtime_error("the limit was not seen");
    }
  });
  CHECK(child.wait() == 0);
}

}  // namespace stagecraft
