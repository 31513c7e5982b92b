#include "actors/run/rank_channels.h"

#include <utility>
#include <vector>

#include "stages/channels/device_channel.h"
#include "stages/channels/p2p_channel.h"
#include "stages/channels/window_channel.h"
#include "stages/plan/channel_endpoints.h"
#include "stages/program/edge.h"
#include "tensor_parallel/comm/contract/p2p_text.h"
#include "tensor_parallel/comm/nccl/nccl_communicator.h"

namespace stagecraft {
namespace {

/// Between ranks that share a node the destination makes the window and sends its key to the
/// source.
class Connecting {
 public:
  Connecting(MpiSession& session, const TrainingPlan& plan, Stream& stream)
      : session_(session), capacity_(transfer_bytes(plan.model, plan.batch)), stream_(stream) {
    for (const ChannelEndpoints& channel :
         channel_endpoints(plan.mesh, plan.program.stage_of_chunk)) {
      if (channel.to == session_.rank()) {
        incoming_.push_back(channel);
      } else if (channel.from == session_.rank()) {
        outgoing_.push_back(channel);
      }
    }
  }

  Channels connect() {
    for (const ChannelEndpoints& channel : incoming_) {
      channels_[channel.edge] = destination(channel);
    }
    for (const ChannelEndpoints& channel : outgoing_) {
      channels_[channel.edge] = source(channel);
    }
    for (P2pText& key : sent_keys_) {
      key.wait();
    }
    return std::move(channels_);
  }

 private:
  std::unique_ptr<Channel> destination(const ChannelEndpoints& channel) {
    const int tag = p2p_tag(channel.edge);
    if (!session_.shares_windows_with(channel.from)) {
      return make_p2p_destination(session_.p2p(), channel.from, tag, capacity_, stream_.memory());
    }
    SharedWindow window = make_channel_window(capacity_);
    sent_keys_.push_back(P2pText::send(session_.p2p(), channel.from, tag, window.key()));
    return make_window_destination(std::move(window), stream_.memory().account());
  }

  std::unique_ptr<Channel> source(const ChannelEndpoints& channel) {
    const int tag = p2p_tag(channel.edge);
    if (!session_.shares_windows_with(channel.to)) {
      return make_p2p_source(session_.p2p(), channel.to, tag, capacity_);
    }
    return make_window_source(
        SharedWindow::open(P2pText::receive(session_.p2p(), channel.to, tag).wait()));
  }

  MpiSession& session_;
  std::int64_t capacity_;
  Stream& stream_;
  std::vector<ChannelEndpoints> incoming_;
  std::vector<ChannelEndpoints> outgoing_;
  std::vector<P2pText> sent_keys_;
  Channels channels_;
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
