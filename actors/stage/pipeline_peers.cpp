#include "actors/stage/pipeline_peers.h"

#include <caf/all.hpp>
#include <utility>

namespace stagecraft {

void PipelinePeers::connect(StageActor::pointer self,
                            const std::vector<caf::strong_actor_ptr>& column, Copies copies) {
  self_ = self;
  copies_ = std::move(copies);
  for (const caf::strong_actor_ptr& actor : column) {
    column_.push_back(caf::actor_cast<StageActor>(actor));
    if (actor != nullptr && column_.back() != self_) {
      self_->monitor(column_.back());
    }
  }
}

std::optional<int> PipelinePeers::stage_of(const caf::actor_addr& actor) const {
  for (std::size_t stage = 0; stage < column_.size(); ++stage) {
    if (column_[stage] == actor) {
      return static_cast<int>(stage);
    }
  }
  return {};
}

void PipelinePeers::send_envelope(const Envelope& envelope) {
  for (int left = copies_ ? copies_(envelope) : 1; left > 0; --left) {
    self_->send(column_.at(static_cast<std::size_t>(envelope.edge.destination)), envelope);
  }
}

void PipelinePeers::send_credit(const Edge& edge, std::uint64_t sequence) {
  self_->send(column_.at(static_cast<std::size_t>(edge.source)), Credit{edge, sequence});
}

}  // namespace stagecraft
