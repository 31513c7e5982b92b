// What an instruction does, behind a seam: real work, or work that sleeps or fails.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"
#include "stages/channels/pass.h"
#include "stages/program/instruction.h"

namespace stagecraft {

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
