// The pipeline neighbours of a rank: the stages at the other ends of its channels. Its executor's
// envelopes and credits are sent to them.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "actors/protocol/messages.h"
#include "stages/execute/executor.h"
#include "stages/program/edge.h"

namespace stagecraft {

class PipelinePeers : public ExecutorPort {
 public:
  /// A seam for tests: how often an envelope is sent. Empty: once.
  using Copies = std::function<int(const Envelope&)>;

  /// `column` holds the neighbours and `self` by stage; the other stages of the mesh column are
  /// null. `self` monitors the neighbours.
  void connect(StageActor::pointer self, const std::vector<caf::strong_actor_ptr>& column,
               Copies copies);
  bool are_known() const { return !column_.empty(); }
  /// Empty for an actor that is no neighbour.
  std::optional<int> stage_of(const caf::actor_addr& actor) const;

  void send_envelope(const Envelope& envelope) override;
  void send_credit(const Edge& edge, std::uint64_t sequence) override;

 private:
  StageActor::pointer self_ = nullptr;
  std::vector<StageActor> column_;  // by stage
  Copies copies_;
};

}  // namespace stagecraft
