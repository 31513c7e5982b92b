// Proven mutants over MPI's point-to-point messages. One process has all executors and sends to
// itself.
#include <fmt/core.h>

#include <catch2/catch.hpp>

#include "stages/channels/p2p_channel.h"
#include "tensor_parallel/comm/mpi/session.h"
#include "tests/conformance/processes.h"
#include "tests/stages/verify/mutants_run.h"

namespace stagecraft::test {
namespace {

constexpr std::int64_t kCapacity = 64;
constexpr int kSessions = 20;  // none is so long that the watchdog of a session ends it
constexpr int kMutants = 2000;

/// Every channel of a session has a tag of its own.
MakeChannel over(P2pTransport& p2p, int& tag) {
  return [&p2p, &tag](Stream& receiver) -> ChannelEnds {
    ++tag;
    std::shared_ptr<Channel> destination =
        make_p2p_destination(p2p, 0, tag, kCapacity, receiver.memory());
    return {make_p2p_source(p2p, 0, tag, kCapacity), std::move(destination)};
  };
}

TEST_CASE("2,000 proven mutants run on executors over MPI point-to-point messages") {
  MutantRuns runs(4);
  for (int part = 0; part < kSessions; ++part) {
    run_session("mutants over MPI", std::nullopt, [&](MpiSession& session, const auto& doing) {
      doing(fmt::format("part {} of {}", part, kSessions));
      int tag = 0;
      runs.run(kMutants / kSessions, [&] { return over(session.p2p(), tag); });
    });
  }
  fmt::print("{}, ran over MPI\n", runs.words());
}

}  // namespace
}  // namespace stagecraft::test
