#include "tests/stages/verify/mutants_run.h"

#include <fmt/core.h>

#include <catch2/catch.hpp>

#include "stages/channels/window_channel.h"

namespace stagecraft::test {
namespace {

constexpr std::int64_t kCapacity = 64;

/// Two mappings of one window, as two processes have them.
ChannelEnds window(Stream& receiver) {
  SharedWindow theirs = make_channel_window(kCapacity);
  const std::shared_ptr<Channel> source = make_window_source(SharedWindow::open(theirs.key()));
  return {source, make_window_destination(std::move(theirs), receiver.memory().account())};
}

TEST_CASE("2,000 proven mutants run on executors over shared windows") {
  MutantRuns runs(3);
  runs.run(2000, [] { return window; });
  fmt::print("{}, ran over shared windows\n", runs.words());
}

}  // namespace
}  // namespace stagecraft::test
