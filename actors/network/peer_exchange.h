// The actor that connected peers reach first. It exchanges stages: its process's for the peer's.
#pragma once

#include <caf/typed_actor.hpp>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "actors/network/socket.h"
#include "actors/protocol/messages.h"

namespace stagecraft {

/// Receives a peer's rank and stage; answers with the stage of its own process.
using PeerExchange = caf::typed_actor<
    caf::replies_to<ConnectAtom, std::int32_t, caf::strong_actor_ptr>::with<caf::strong_actor_ptr>>;

/// The stages of the ranks that have connected to this process, and its own.
class ConnectedPeers {
 public:
  void open(const StageActor& stage);
  StageActor own() const;
  void add(std::int32_t rank, const caf::strong_actor_ptr& stage);
  /// Waits for the stage of `rank` until the deadline.
  std::optional<StageActor> find(std::int32_t rank, Deadline deadline) const;
  /// Releases all stages: a handle of a detached actor keeps its actor system from ending.
  void forget();

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  StageActor own_;
  std::map<std::int32_t, StageActor> stages_;
};

PeerExchange::behavior_type peer_exchange(PeerExchange::pointer self,
                                          const std::shared_ptr<ConnectedPeers>& peers);

}  // namespace stagecraft
