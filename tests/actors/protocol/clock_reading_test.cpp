#include "actors/protocol/clock_reading.h"

#include <catch2/catch.hpp>

#include "tensor_parallel/comm/contract/observed_communicator.h"
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

/// Counts the messages that a rank sends.
struct SendCounter : CommunicationObserver {
  void begin(Stream* /*stream*/, std::string_view operation) override {
    sends += operation == "send" ? 1 : 0;
  }
  void end(Stream* /*stream*/, std::string_view /*operation*/) override {}
  int sends = 0;
};

TEST_CASE("ranks of one clock send nothing and differ by nothing") {
  test::run_local("one clock", 3, [](test::Member& member) {
    SendCounter counter;
    const auto world = observe(member.group.make_group(test::all_ranks(member.group), 0), counter);
    const auto readings = read_clocks(*world, [](int) { return "the only one"; });
    test::expect(counter.sends == 0, "nobody is asked");
    test::expect(readings.size() == (member.rank() == 0 ? 3U : 0U), "rank 0 has one a rank");
    for (const ClockReading& reading : readings) {
      test::expect(reading.ahead_ns == 0 && reading.error_ns == 0, "the clocks are one");
    }
  });
}

TEST_CASE("clocks that are far apart are found through the tree, within the stated error") {
  constexpr std::int64_t kApart = 1'000'000'000'000;
  const int ranks = GENERATE(2, 5, 13);
  // Every second rank reads a clock of its own; the others read that of rank 0.
  const auto number_of = [](int rank) { return rank % 2 == 0 ? 0 : rank; };
  const auto true_ahead = [&](int rank) {
    return (number_of(rank) % 3 - 1) * kApart * number_of(rank);
  };
  test::run_local("far apart", ranks, [&](test::Member& member) {
    const auto now = [&] { return now_ns() + true_ahead(member.rank()); };
    const std::int64_t before = now_ns();
    member.group.barrier();  // inner ranks begin with their subtrees, before rank 0 asks them
    const auto readings = read_clocks(
        member.group, [&](int rank) { return std::to_string(number_of(rank)); }, now);
    const std::int64_t took = now_ns() - before;
    for (int rank = 0; rank < static_cast<int>(readings.size()); ++rank) {
      const ClockReading& reading = readings[static_cast<std::size_t>(rank)];
      const std::int64_t off = std::abs(reading.ahead_ns - true_ahead(rank));
      test::expect(off <= reading.error_ns, "the error is within its bound");
      test::expect(reading.error_ns <= took, "the bound is a part of the time that it took");
      // It was converted along the path, with the error of the offsets on it.
      test::expect(reading.at_ns >= before - reading.error_ns &&
                       reading.at_ns <= before + took + reading.error_ns,
                   "the time is of rank 0's clock");
    }
    test::expect(readings.size() == static_cast<std::size_t>(member.rank() == 0 ? ranks : 0),
                 "rank 0 has one reading a rank");
  });
}

TEST_CASE("no rank asks more than log2 of the clocks, and all answers reach rank 0") {
  constexpr int kClocks = 16;
  constexpr int kQuestions = 8;
  test::run_local("tree", kClocks, [](test::Member& member) {
    SendCounter counter;
    const auto world = observe(member.group.make_group(test::all_ranks(member.group), 0), counter);
    const auto readings = read_clocks(*world, [](int rank) { return std::to_string(rank); });
    // Rank 0 has four children. Rank 8 has three, answers rank 0, and sends its subtree's readings.
    test::expect(member.rank() != 0 || counter.sends == 4 * kQuestions, "questions of rank 0");
    test::expect(member.rank() != 8 || counter.sends == 4 * kQuestions + 1, "messages of rank 8");
    test::expect(counter.sends <= 4 * kQuestions + 1, "messages of any rank");
  });
}

}  // namespace
}  // namespace stagecraft
