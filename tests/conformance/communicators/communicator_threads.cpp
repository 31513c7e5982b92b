// Communicators whose members are threads of one process.
#include <atomic>
#include <catch2/catch.hpp>

#include "tensor_parallel/comm/nccl/nccl_communicator.h"
#include "tensor_parallel/comm/solo/solo_communicator.h"
#include "tests/conformance/communicators/communicator.h"
#include "tests/conformance/fake_links.h"
#include "tests/conformance/thrown.h"

namespace stagecraft::test {
namespace {

std::vector<std::unique_ptr<Communicator>> solo_world() {
  std::vector<std::unique_ptr<Communicator>> ends;
  ends.push_back(make_solo_communicator());
  return ends;
}

/// NCCL communicators over fake links in this process. Each member has its own nccl::World, as a
/// process has.
std::vector<std::unique_ptr<Communicator>> world_over_links(int size) {
  const auto fakes = std::make_shared<FakeLibrary>();
  std::vector<std::unique_ptr<Communicator>> ends(static_cast<std::size_t>(size));
  run_local("joining", size, [&](Member& member) {
    auto world = std::make_shared<nccl::World>(fakes->library(), member.stream.device(),
                                               member.group.make_group({member.rank()}, 0));
    ends.at(static_cast<std::size_t>(member.rank())) = make_nccl_communicator(
        std::move(world), member.group.make_group(all_ranks(member.group), 0));
  });
  return ends;
}

}  // namespace

std::vector<CommunicatorFactory> communicator_factories() {
  static const std::vector<testing::Placement> everywhere = testing::placements();
  std::vector<CommunicatorFactory> factories;
  for (const testing::Placement& place : everywhere) {
    factories.push_back(
        {.name = "solo, " + place.name, .run = [place](const auto& test, const auto& function) {
           run_members(test, solo_world(), function, place);
         }});
    for (const int size : {1, 2, 3, 4}) {
      factories.push_back({.name = "local of " + std::to_string(size) + ", " + place.name,
                           .size = size,
                           .run = [size, place](const auto& test, const auto& function) {
                             run_local(test, size, function, place);
                           }});
    }
  }
  for (const int size : {1, 2, 3, 4}) {
    if (testing::is_wanted("cpu")) {
      factories.push_back({.name = "nccl of " + std::to_string(size) + " over fake links",
                           .size = size,
                           .sees_disagreement = false,
                           .run = [size](const auto& test, const auto& function) {
                             run_members(test, world_over_links(size), function);
                           }});
    }
  }
  if (factories.empty()) {  // no GPU, as placements() has printed: no test can run
    factories.push_back({.name = "none", .size = 0, .run = [](const auto&, const auto&) {}});
  }
  return factories;
}

TEST_CASE("no member leaves a barrier before all have arrived") {
  constexpr int kSize = 4;
  std::atomic<int> arrivals{0};
  REQUIRE_NOTHROW(run_local("barrier", kSize, [&](Member& member) {
    for (int round = 1; round <= 500; ++round) {
      ++arrivals;
      member.group.barrier();
      expect(arrivals >= round * kSize, "all have arrived");
      member.group.barrier();
    }
  }));
}

TEST_CASE("a local communicator keeps no tensor after the call") {
  const std::int64_t elements = GENERATE(10, 200'000);
  const CommunicatorFactory factory = any_factory();
  if (factory.size != 3) {
    return;
  }
  REQUIRE_NOTHROW(factory.run("handles", [&](Member& member) {
    const Tensor x = tensor_of(member.stream, std::vector<float>(elements, 1.0F));
    const Tensor y = tensor_of(member.stream, std::vector<float>(3 * elements, 1.0F));
    member.group.all_reduce(member.stream, x, ReduceOp::sum, Order::tree);
    member.group.all_gather(member.stream, x, y);
    member.group.reduce_scatter(member.stream, y, x, Order::tree);
    member.group.broadcast(member.stream, x, 1);
    if (member.rank() == 0) {
      member.group.send(member.stream, x, 1);
    } else if (member.rank() == 1) {
      member.group.recv(member.stream, x, 0);
    }
    expect(x.buffer().use_count() == 1, "the caller holds the only handle of x");
    expect(y.buffer().use_count() == 1, "the caller holds the only handle of y");
  }));
}

TEST_CASE("local members that give one tag to different lists get an error") {
  REQUIRE_NOTHROW(run_local("disagreement", 2, [](Member& member) {
    const std::vector<int> members = {member.rank(), 1 - member.rank()};
    std::string text;
    const std::string culprit = culprit_of([&] {
      text = error_of([&] { member.group.make_group(members, 4); });
      member.group.abort(text);  // the first member waits for the second one, which fails
    });
    expect((text + culprit).find("the members of group 4 disagree") != std::string::npos, text);
  }));
}

TEST_CASE("a world has at least one member") { REQUIRE_THROWS_AS(make_local_world(0), Error); }

}  // namespace stagecraft::test
