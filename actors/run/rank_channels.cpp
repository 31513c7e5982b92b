#include "actors/run/rank_channels.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <vector>

#include "stages/channels/device_channel.h"
#include "stages/channels/p2p_channel.h"
#include "stages/channels/window_channel.h"
#include "stages/plan/channel_endpoints.h"
#include "stages/program/edge.h"
#include "tensor_parallel/comm/nccl/nccl_communicator.h"

namespace stagecraft {
namespace {

/// The keys of the windows that a rank made, by the index of the channel: "3=KEY 7=KEY".
using WindowKeys = std::map<std::size_t, std::string>;

std::string to_text(const WindowKeys& keys) {
  std::string text;
  for (const auto& [channel, key] : keys) {
    text += fmt::format("{}={} ", channel, key);
  }
  return text;
}

std::string key_in(const std::string& text, std::size_t channel) {
  std::istringstream words(text);
  const std::string prefix = fmt::format("{}=", channel);
  for (std::string word; words >> word;) {
    if (word.starts_with(prefix)) {
      return word.substr(prefix.size());
    }
  }
  throw Error("connect_channels", fmt::format("no window was made for channel {}", channel));
}

class Connecting {
 public:
  Connecting(MpiSession& session, const TrainingPlan& plan, Stream& stream)
      : session_(session),
        endpoints_(channel_endpoints(plan.mesh, plan.program.stage_of_chunk)),
        capacity_(transfer_bytes(plan.model, plan.batch)),
        stream_(stream) {}

  Channels connect() {
    make_destinations();
    const std::vector<std::string> keys = session_.exchange(to_text(keys_));
    for (std::size_t i = 0; i < endpoints_.size(); ++i) {
      const ChannelEndpoints& endpoints = endpoints_[i];
      if (endpoints.from == session_.rank()) {
        channels_[endpoints.edge] =
            source(endpoints, keys.at(static_cast<std::size_t>(endpoints.to)), i);
      }
    }
    session_.exchange("");  // a destination keeps its window until the source has opened it
    return std::move(channels_);
  }

 private:
  void make_destinations() {
    for (std::size_t i = 0; i < endpoints_.size(); ++i) {
      const ChannelEndpoints& endpoints = endpoints_[i];
      if (endpoints.to != session_.rank()) {
        continue;
      }
      if (session_.shares_windows_with(endpoints.from)) {
        SharedWindow window = make_channel_window(capacity_);
        keys_[i] = window.key();
        channels_[endpoints.edge] =
            make_window_destination(std::move(window), stream_.memory().account());
      } else {
        channels_[endpoints.edge] = make_p2p_destination(
            session_.p2p(), endpoints.from, p2p_tag(endpoints.edge), capacity_, stream_.memory());
      }
    }
  }

  std::unique_ptr<Channel> source(const ChannelEndpoints& endpoints, const std::string& keys,
                                  std::size_t index) {
    return session_.shares_windows_with(endpoints.to)
               ? make_window_source(SharedWindow::open(key_in(keys, index)))
               : make_p2p_source(session_.p2p(), endpoints.to, p2p_tag(endpoints.edge), capacity_);
  }

  MpiSession& session_;
  std::vector<ChannelEndpoints> endpoints_;
  std::int64_t capacity_;
  Stream& stream_;
  Channels channels_;
  WindowKeys keys_;
};

/// Thread blocks of a transfer: enough to use NVLink, few enough not to slow computation.
constexpr int kTransferBlocks = 4;

}  // namespace

Channels connect_channels(MpiSession& session, const TrainingPlan& plan, Stream& stream) {
  return Connecting(session, plan, stream).connect();
}

Channels connect_device_channels(Communicator& world, const std::shared_ptr<nccl::World>& nccl,
                                 const TrainingPlan& plan, Stream& stream) {
  const std::int64_t capacity = transfer_bytes(plan.model, plan.batch);
  Channels channels;
  for (const int position : groups_of_rank(plan.groups, world.rank())) {
    const RankGroup& pair = plan.groups[static_cast<std::size_t>(position)];
    if (pair.kind != GroupKind::channel) {
      continue;
    }
    auto group =
        make_nccl_communicator(nccl, world.make_group(pair.members, position), kTransferBlocks);
    channels[pair.edge] = pair.members.front() == world.rank()
                              ? make_device_source(std::move(group), stream.device(), capacity)
                              : make_device_destination(std::move(group), capacity, stream);
  }
  return channels;
}

}  // namespace stagecraft
