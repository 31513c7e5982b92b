// The stages of a rank's mesh column. Its executor's envelopes and credits are sent to them.
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

  /// `column` holds the actors by stage, including `self`. `self` monitors all others.
  void connect(StageActor::pointer self, const std::vector<caf::strong_actor_ptr>& column,
               Copies copies);
  bool are_known() const { return !column_.empty(); }
  /// Empty for an actor that is not a stage of the column.
  std::optional<int> stage_of(const caf::actor_addr& actor) const;

  void send_envelope(const Envelope& envelope) override;
  void send_credit(const Edge& edge, std::uint64_t sequence) override;

 private:
  StageActor::pointer self_ = nullptr;
  std::vector<StageActor> column_;
  Copies copies_;
};

}  // namespace stagecraft
