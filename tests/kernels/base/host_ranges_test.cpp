#include "kernels/base/host_ranges.h"

#include <catch2/catch.hpp>
#include <stdexcept>
#include <vector>

namespace stagecraft {

TEST_CASE("host ranges cover every element once, on any number of threads") {
  for (const std::int64_t count : {0, 1, 9, 10, 11, 1000}) {
    for (const int threads : {1, 2, 3, 8}) {
      CAPTURE(count, threads);
      std::vector<int> calls(static_cast<std::size_t>(count));
      for_each_host_range(count, 10, threads, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          ++calls[static_cast<std::size_t>(i)];
        }
      });
      CHECK(calls == std::vector<int>(static_cast<std::size_t>(count), 1));
    }
  }
}

TEST_CASE("what a range throws on any thread comes to the caller") {
  for (const std::int64_t bad : {0, 99}) {
    CHECK_THROWS_WITH(for_each_host_range(100, 1, 4,
                                          [&](std::int64_t begin, std::int64_t /*end*/) {
                                            if (begin == bad) {
                                              throw std::runtime_error("bad range");
                                            }
                                          }),
                      "bad range");
  }
}

}  // namespace stagecraft
