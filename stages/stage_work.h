// What an instruction does, behind a seam: real work, or work that sleeps or fails.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/stream.h"
#include "kernels/tensor.h"
#include "stages/instruction.h"

namespace stagecraft {

enum class PassKind : std::uint8_t { train, evaluate };

/// One run of a stage's program: a training step, or one batch of an evaluation. Step 0 rehearses:
/// it does everything that step 1 will do except the update, so that memory, algorithms and
/// connections are there when training begins.
struct Pass {
  PassKind kind = PassKind::train;
  std::int64_t step = 0;   // training step, from 1; the step that an evaluation follows
  std::int64_t batch = 0;  // evaluation: which batch, from 0
  friend bool operator==(const Pass&, const Pass&) = default;
};

/// What the driver decides between the backward passes and the optimizer.
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

/// What a rank has to report of a pass.
struct PassResults {
  /// Every micro-batch's loss, in order, where this rank computes the loss and reports it; else
  /// empty. Each is the sum over the micro-batch's counted tokens, in nats.
  std::vector<double> losses = {};
  /// Of a training step: the squares of what this rank reports, in no particular order.
  std::vector<ParameterSquare> squares = {};
};

/// The work of one rank. Called by one thread, in program order. A failure is an exception.
class StageWork {
 public:
  virtual ~StageWork() = default;
  virtual Stream& stream() = 0;
  virtual void begin(const Pass& pass) = 0;
  /// F, B, I, W, T or D.
  virtual void run(const Instruction& instruction) = 0;
  /// The tensor that a send carries: the output of the F, or the input gradient of the B or I, that
  /// it follows.
  virtual Tensor take_output(const Instruction& send) = 0;
  /// Hands over what a receive brought.
  virtual void put_input(const Instruction& receive, Tensor x) = 0;
  /// After the pass's forwards and reductions. The one place where the host waits for the device.
  virtual PassResults results() = 0;
  /// U; of step 0 nothing.
  virtual void update(const Update& update) = 0;
};

}  // namespace stagecraft
