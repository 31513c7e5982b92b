// Communicators whose members are processes: over windows, messages, and a mixture of both.
#include <catch2/catch.hpp>
#include <cstring>

#include "tests/conformance/communicators/communicator.h"
#include "tests/conformance/communicators/tree_sums.h"
#include "tests/conformance/processes.h"

namespace stagecraft::test {
namespace {

struct Layout {
  std::string name;
  int node = 0;
};

std::vector<Layout> layouts() {
  std::vector<Layout> all{{"windows", 0}, {"messages", process_rank()}};
  if (process_count() > 2) {
    all.push_back({"two nodes", process_rank() * 2 / process_count()});
    all.push_back({"two nodes, interleaved", process_rank() % 2});
  }
  return all;
}

}  // namespace

std::vector<CommunicatorFactory> communicator_factories() {
  std::vector<CommunicatorFactory> factories;
  for (const Layout& layout : layouts()) {
    factories.push_back({.name = layout.name,
                         .size = process_count(),
                         .run = [layout](const auto& test, const auto& function) {
                           run_processes(test, layout.node, function);
                         }});
  }
  return factories;
}

TEST_CASE("sums over processes have the bits of sums over threads") {
  const auto factory = any_factory();
  INFO(factory.name);
  for (const std::int64_t count : {1, 15, 1000, 4097, 300'001}) {
    std::vector<std::vector<float>> wanted(static_cast<std::size_t>(process_count()));
    run_local("threads", process_count(), [&](Member& member) {
      wanted[static_cast<std::size_t>(member.rank())] = sums_of(member, count);
    });
    REQUIRE_NOTHROW(factory.run("bits", [&](Member& member) {
      const std::vector<float> sums = sums_of(member, count);
      const std::vector<float>& theirs = wanted[static_cast<std::size_t>(member.rank())];
      expect(sums.size() == theirs.size() &&
                 std::memcmp(sums.data(), theirs.data(), 4 * sums.size()) == 0,
             fmt::format("the bits of {} elements", count));
    }));
  }
}

TEST_CASE("no process leaves a barrier before all have arrived") {
  const auto factory = any_factory();
  INFO(factory.name);
  REQUIRE_NOTHROW(factory.run("barrier", [&](Member& member) {
    Stream& stream = member.stream;
    const Tensor all(stream.memory(), {member.size()}, DType::int32, MemoryLabel::workspace);
    for (std::int32_t round = 1; round <= 200; ++round) {
      member.group.barrier();
      member.group.all_gather(stream, tensor_of<std::int32_t>(stream, {round}), all);
      expect(values_of<std::int32_t>(stream, all) ==
                 std::vector<std::int32_t>(static_cast<std::size_t>(member.size()), round),
             "all are in the same round");
    }
  }));
}

TEST_CASE("an abort reaches members that wait in other groups and in messages") {
  if (process_count() < 3) {
    return;
  }
  const auto factory = any_factory();
  INFO(factory.name);
  for (int round = 0; round < 10; ++round) {
    REQUIRE_NOTHROW(factory.run("sleepers", [&](Member& member) {
      std::string culprit;
      try {
        const auto group = member.group.make_group(
            ranks_where(member.group, [&](int rank) { return rank / 2 == member.rank() / 2; }), 0);
        const Tensor x = tensor_of<float>(member.stream, {0});
        member.group.barrier();
        member.doing("waiting for the culprit");
        if (member.rank() == 0) {
          group->abort("rank 0, 3F1");
        } else if (member.rank() == 1) {
          group->barrier();
        } else {
          member.group.recv(member.stream, x, 0);
        }
        group->barrier();
      } catch (const AbortedError& error) {
        culprit = error.culprit();
      }
      expect(culprit == "rank 0, 3F1", "the culprit is named");
    }));
  }
}

TEST_CASE("many groups in a row, and groups within groups") {
  const auto factory = any_factory();
  INFO(factory.name);
  REQUIRE_NOTHROW(factory.run("groups", [&](Member& member) {
    const auto like_mine = [](const Communicator& group) {
      return ranks_where(group, [&](int rank) { return rank % 2 == group.rank() % 2; });
    };
    for (int round = 0; round < 30; ++round) {
      member.doing(fmt::format("round {}", round));
      const auto half = member.group.make_group(like_mine(member.group), 0);
      const auto again = half->make_group(like_mine(*half), 1);
      const Tensor x = tensor_of<float>(member.stream, {1.0F});
      again->all_reduce(member.stream, x, ReduceOp::sum, Order::tree);
      half->all_reduce(member.stream, x, ReduceOp::maximum, Order::tree);
      member.group.barrier();
      expect(values_of<float>(member.stream, x)[0] == (half->size() + 1) / 2,
             "groups are separate");
    }
  }));
}

}  // namespace stagecraft::test
