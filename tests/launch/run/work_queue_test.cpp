#include "launch/run/work_queue.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <future>
#include <vector>

namespace stagecraft {

TEST_CASE("work is done in order by another thread, and finish() waits for it") {
  WorkQueue queue;
  std::promise<void> released;
  std::vector<int> done;
  queue.add([&] { released.get_future().wait(); });
  for (int i = 0; i < 100; ++i) {
    queue.add([&done, i] { done.push_back(i); });
  }
  released.set_value();  // add() has not waited
  queue.finish();
  REQUIRE(done.size() == 100);
  CHECK(std::is_sorted(done.begin(), done.end()));
}

TEST_CASE("a queue ends when all its work is done") {
  int done = 0;
  {
    WorkQueue queue;
    for (int i = 0; i < 100; ++i) {
      queue.add([&done] { ++done; });
    }
  }
  CHECK(done == 100);
}

}  // namespace stagecraft
