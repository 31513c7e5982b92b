// SIGKILL at the calls for files of a save. The long run tries more points (docs/reliability.md).
#include <catch2/catch.hpp>

#include "tests/end_to_end/crash_points.h"
#include "tests/end_to_end/run_processes.h"

namespace stagecraft {

TEST_CASE("a run that is killed in a save goes on with the bits of one that is not") {
  constexpr int kThreadPoints = 18;
  constexpr int kProcessPoints = 3;
  for (const test::CrashLayout& layout : test::crash_layouts()) {
    if (layout.processes && !test::is_in_path("mpirun")) {
      continue;
    }
    INFO(layout.name);
    const test::CrashRuns runs(layout, layout.ranks - 1);
    REQUIRE(runs.calls() > 0);
    const int points = layout.processes ? kProcessPoints : kThreadPoints;
    for (int point = 0; point < points; ++point) {
      const int call = (2 * point + 1) * runs.calls() / (2 * points);
      INFO("before call " << call << " of " << runs.calls());
      CHECK(runs.crash_at(call).wrong == "");
    }
  }
}

}  // namespace stagecraft
