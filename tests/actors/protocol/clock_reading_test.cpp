#include "actors/protocol/clock_reading.h"

#include <catch2/catch.hpp>

#include "tests/conformance/members.h"

namespace stagecraft {
namespace {

TEST_CASE("times of a clock that is ahead and drifts are converted to rank 0's") {
  // Ahead by one second and faster by one thousandth.
  const auto other = [](std::int64_t t) { return t + 1'000'000'000 + t / 1000; };
  const auto reading = [&](std::int64_t t) { return ClockReading{t, other(t) - t}; };
  const ClockReading begin = reading(5'000'000'000);
  const ClockReading end = reading(65'000'000'000);
  for (const std::int64_t t : {4'000'000'000, 5'000'000'000, 30'123'456'000, 70'000'000'000}) {
    CHECK(std::abs(on_first_clock(other(t), begin, end) - t) <= 1);
  }
}

TEST_CASE("a single reading is a constant offset") {
  const ClockReading only{5'000, -700};
  CHECK(on_first_clock(10'000, only, only) == 10'700);
}

TEST_CASE("members with the same clock differ by less than a round trip") {
  test::run_local("clocks", 3, [](test::Member& member) {
    const std::int64_t before = now_ns();
    const auto readings = read_clocks(member.group, [](int rank) { return rank == 1; });
    const std::int64_t took = now_ns() - before;
    if (member.rank() != 0) {
      test::expect(readings.empty(), "only rank 0 has readings");
      return;
    }
    test::expect(readings.size() == 3, "one reading a rank");
    test::expect(readings[1].ahead_ns == 0, "rank 1 has the same clock");
    test::expect(std::abs(readings[2].ahead_ns) <= took, "the clocks are one");
  });
}

}  // namespace
}  // namespace stagecraft
