// The actor that a gate's connections lead to: it exchanges stages, one's own for the peer's.
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

/// Introduces a rank and its stage; is answered with the stage behind the gate.
using PeerExchange = caf::typed_actor<
    caf::replies_to<ConnectAtom, std::int32_t, caf::strong_actor_ptr>::with<caf::strong_actor_ptr>>;

/// The stages of the ranks that have connected to this process, and its own.
class ConnectedPeers {
 public:
  void open(const StageActor& stage);
  StageActor own() const;
  void add(std::int32_t rank, const caf::strong_actor_ptr& stage);
  /// Waits for it until the deadline.
  std::optional<StageActor> find(std::int32_t rank, Deadline deadline) const;
  /// Lets go of all of them: whoever holds a detached actor keeps its system from ending.
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
