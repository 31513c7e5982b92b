#include "actors/network/peer_exchange.h"

#include <caf/all.hpp>

namespace stagecraft {

void ConnectedPeers::open(const StageActor& stage) {
  const std::lock_guard lock(mutex_);
  own_ = stage;
}

StageActor ConnectedPeers::own() const {
  const std::lock_guard lock(mutex_);
  return own_;
}

void ConnectedPeers::add(std::int32_t rank, const caf::strong_actor_ptr& stage) {
  const std::lock_guard lock(mutex_);
  if (stage != nullptr) {  // null before the peer listens
    stages_[rank] = caf::actor_cast<StageActor>(stage);
    changed_.notify_all();
  }
}

std::optional<StageActor> ConnectedPeers::find(std::int32_t rank, Deadline deadline) const {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_until(lock, deadline, [&] { return stages_.contains(rank); })) {
    return std::nullopt;
  }
  return stages_.at(rank);
}

void ConnectedPeers::forget() {
  const std::lock_guard lock(mutex_);
  own_ = nullptr;
  stages_.clear();
}

PeerExchange::behavior_type peer_exchange(PeerExchange::pointer /*self*/,
                                          const std::shared_ptr<ConnectedPeers>& peers) {
  return {[peers](ConnectAtom, std::int32_t rank, const caf::strong_actor_ptr& stage) {
    peers->add(rank, stage);
    return caf::actor_cast<caf::strong_actor_ptr>(peers->own());
  }};
}

}  // namespace stagecraft
