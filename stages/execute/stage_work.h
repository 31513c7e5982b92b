// The interface for what instructions do, and for the state that they change. Tests replace the
// work of training by work that computes nothing, sleeps or fails.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"
#include "models/families/contents.h"
#include "models/parameters/parameter_state.h"
#include "models/parameters/state_hash.h"
#include "stages/channels/pass.h"
#include "stages/execute/state_snapshot.h"
#include "stages/program/instruction.h"

namespace stagecraft {

/// The driver's decision between the backward passes and the optimizer.
struct Update {
  std::int64_t step = 0;
  double learning_rate = 0;
  double gradient_scale = 1;  // the clip factor
};

/// One parameter's share of the squared gradient norm, as one rank sees it.
struct ParameterSquare {
  std::int32_t parameter = 0;  // position in ModelSpec::parameters()
  double square = 0;
};

/// What a rank reports of a pass.
struct PassResults {
  /// The losses of every micro-batch, in order, if this rank reports losses; else empty. Of a
  /// micro-batch, one for each of ModelSpec::losses: the sum over what the loss counts, in nats.
  std::vector<double> losses = {};
  /// In a training step: the squares of the parameters that this rank reports, in no particular
  /// order.
  std::vector<ParameterSquare> squares = {};
};

/// The work of one rank. Called by one thread, in program order. A failure is an exception. What
/// reads the state is called between passes, or within one before its U: the state is the same.
class StageWork {
 public:
  virtual ~StageWork() = default;
  virtual Stream& stream() = 0;
  /// `counts`: what each loss counts in the whole pass, by which its gradient is divided. Empty for
  /// a pass without gradients.
  virtual void begin(const Pass& pass, const LossCounts& counts) = 0;
  /// F, B, I, W, T, D or TD.
  virtual void run(const Instruction& instruction) = 0;
  /// The tensor for a send: the output of its F, or the input gradient of its B or I.
  virtual Tensor take_output(const Instruction& send) = 0;
  /// Takes the tensor of a receive.
  virtual void put_input(const Instruction& receive, Tensor x) = 0;
  /// The stream waits for reductions that proceed beside it. Returns false if there are none. Call
  /// it before results() of a training pass.
  virtual bool await_reductions() = 0;
  /// Called after the pass's forwards and reductions. The only place where the host waits for the
  /// device.
  virtual PassResults results() = 0;
  /// U; does nothing in step 0.
  virtual void update(const Update& update) = 0;
  /// Takes the pieces of all parameters that this rank holds, copies of other ranks' included. Call
  /// it between passes. A work begins with undefined weights and with moments of zero.
  virtual void load(StateKind kind, const StateReader& reader) = 0;
  /// The pieces that this rank saves, of all kinds, kind by kind: of all ranks, one saves each
  /// element. Valid as long as the work.
  virtual const std::vector<StatePiece>& pieces() const = 0;
  /// Hands over the pieces of one kind, in the order of pieces(), with their values after all
  /// updates before it.
  virtual void save(StateKind kind, StateWriter& writer) = 0;
  /// Starts a copy of pieces() with their values after all updates before it. The next update or
  /// load waits for the copy's end, on the device. The earlier snapshot must be gone, and this one
  /// must go before the work. Null if the host lacks the memory: save() all kinds before the next
  /// update.
  virtual std::unique_ptr<StateSnapshot> snapshot() = 0;
  /// Starts hashing pieces() with their values after all updates before it. The host does not wait.
  virtual void start_hashing() = 0;
  /// What the last start_hashing() computed: one hash for each parameter and kind in pieces(), in
  /// this order. Waits for the device.
  virtual std::vector<StateHash> hashes() = 0;
};

}  // namespace stagecraft
