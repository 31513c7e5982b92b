// Every kind of channel with both ends in one process, as two threads.
#include "stages/channels/device_channel.h"
#include "stages/channels/local_channel.h"
#include "stages/channels/window_channel.h"
#include "tensor_parallel/comm/nccl/nccl_communicator.h"
#include "tests/conformance/channels/channel.h"
#include "tests/conformance/channels/fake_p2p_transport.h"
#include "tests/conformance/communicators/post_links.h"
#include "tests/conformance/devices.h"
#include "tests/conformance/members.h"

namespace stagecraft::test {
namespace {

ChannelPair local(const testing::Placement& place) {
  ChannelPair pair = streams_only(place.at(0), place.at(1));
  pair.source = make_local_channel(pair.destination_stream->memory().account());
  pair.destination = pair.source;
  return pair;
}

/// The ends map the same window twice.
ChannelPair window(std::int64_t capacity_bytes) {
  ChannelPair pair = streams_only();
  SharedWindow theirs = make_channel_window(capacity_bytes);
  pair.source = make_window_source(SharedWindow::open(theirs.key()));
  pair.destination =
      make_window_destination(std::move(theirs), pair.destination_stream->memory().account());
  return pair;
}

ChannelPair p2p(std::int64_t capacity_bytes, Delivery delivery) {
  const auto post = std::make_shared<FakePost>(delivery);
  ChannelPair pair = p2p_pair(post->end(0), 0, post->end(1), 1, 7, capacity_bytes);
  pair.between = post;
  pair.abort = [post] { post->abort(); };
  return pair;
}

/// A device channel over fake NCCL links.
ChannelPair device(std::int64_t capacity_bytes) {
  ChannelPair pair = streams_only();
  const auto office = std::make_shared<PostOffice>();
  const nccl::Library library{.new_id = [] { return "the pair"; },
                              .connect =
                                  [office](const nccl::LinkSetup& setup) {
                                    return std::make_unique<PostLink>(office, setup.rank);
                                  }};
  run_local("joining", 2, [&](Member& member) {
    const auto world = std::make_shared<nccl::World>(library, Device{},
                                                     member.group.make_group({member.rank()}, 0));
    auto group = make_nccl_communicator(world, member.group.make_group({0, 1}, 0));
    if (member.rank() == 0) {
      pair.source = make_device_source(std::move(group), {}, capacity_bytes);
      pair.abort = [world] { world->abort("the test"); };
    } else {
      pair.destination =
          make_device_destination(std::move(group), capacity_bytes, *pair.destination_stream);
    }
  });
  return pair;
}

/// A channel whose two ends are threads.
template <typename MakePair>
ChannelFactory threads(std::string name, MakePair make) {
  return {.name = std::move(name),
          .run = [make](const std::string& test, std::int64_t capacity_bytes,
                        const auto& function) { run_ends(test, make(capacity_bytes), function); }};
}

/// Channels whose slots are in host memory.
std::vector<ChannelFactory> host_factories() {
  std::vector<ChannelFactory> all{
      threads("window", window),
      threads("P2P", [](std::int64_t bytes) { return p2p(bytes, Delivery::at_once); }),
      threads("P2P, late delivery", [](std::int64_t bytes) { return p2p(bytes, Delivery::late); }),
      threads("device, over fake links", device)};
  all.front().knows_its_end = false;
  all.back().sees_mismatch = false;
  all.back().keeps_until_reuse = true;
  return all;
}

}  // namespace

std::vector<ChannelFactory> channel_factories() {
  static const std::vector<testing::Placement> everywhere = testing::placements();
  std::vector<ChannelFactory> factories;
  if (testing::is_wanted("cpu")) {
    factories = host_factories();
  }
  for (const testing::Placement& place : everywhere) {
    ChannelFactory& factory = factories.emplace_back(threads(
        "local, " + place.name, [place](std::int64_t /*capacity*/) { return local(place); }));
    factory.slots_for_life = false;
    factory.knows_its_end = false;
  }
  if (factories.empty()) {  // no GPU, as placements() has printed: no test can run
    factories.push_back({.name = "none", .run = [](const auto&, auto, const auto&) {}});
  }
  return factories;
}

}  // namespace stagecraft::test
