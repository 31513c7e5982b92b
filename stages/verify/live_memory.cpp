#include "stages/verify/live_memory.h"

#include <algorithm>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

/// The most that is held while an instruction of this kind runs; 0: not counted.
std::int64_t running_bytes(const ChunkBytes& bytes, Op op) {
  switch (op) {
    case Op::forward:
      return bytes.forward;
    case Op::backward:
      return bytes.backward;
    case Op::backward_input:
      return bytes.backward_input;
    case Op::backward_weight:
    case Op::send_activation:
    case Op::receive_activation:
    case Op::send_gradient:
    case Op::receive_gradient:
    case Op::reduce_tied:
    case Op::reduce_data:
    case Op::reduce_tied_data:
    case Op::optimizer:
      return 0;
  }
  return 0;
}

/// Follows what is held along one stage's line.
class LiveMemory {
 public:
  LiveMemory(const Program& program, const Limits& limits, bool training, std::int64_t throughout)
      : program_(program), limits_(limits), training_(training), throughout_(throughout) {
    peak_.bytes = throughout;
  }

  StagePeak peak(const StageProgram& line) {
    for (position_ = 0; position_ < line.size(); ++position_) {
      const TransferGroup& group = line[position_];
      std::for_each(group.begin(), group.end(), [&](const Instruction& i) { take(i); });
      note(live_);
      std::for_each(group.begin(), group.end(), [&](const Instruction& i) { release(i); });
    }
    return peak_;
  }

 private:
  /// Releases what the instruction consumes and adds what it produces.
  void take(const Instruction& i) {
    if (is_compute(i.op)) {
      compute(i);
    } else if (is_receive(i.op)) {
      live_.rest += limits_.tensor_bytes;
    }
  }

  /// A stash that the instruction makes is held while it runs, and so is one that it consumes.
  void compute(const Instruction& i) {
    const ChunkBytes bytes = bytes_of(i);
    const int stashes = training_ ? traits(i.op).stashes : 0;
    const std::int64_t handed_in = tensor_bytes(i, -1);
    activate(bytes, std::max(stashes, 0));
    run(running_bytes(bytes, i.op), stashes == 0 ? 0 : bytes.stash, handed_in);
    activate(bytes, std::min(stashes, 0));
    stash(bytes, traits(i.op).weight_stashes);
    live_.rest += tensor_bytes(i, 1) - handed_in;
  }

  /// Of the tensor that the instruction hands to the next chunk on the payload's way (`step` 1), or
  /// takes from the one before (-1).
  std::int64_t tensor_bytes(const Instruction& i, int step) const {
    const std::optional<Payload> payload = payload_of(i.op);
    const int neighbour = i.chunk + (payload ? step * stride_of(*payload) : 0);
    const bool exists = payload && neighbour >= 0 && neighbour < program_.chunks;
    return exists ? limits_.tensor_bytes : 0;
  }

  void release(const Instruction& i) { live_.rest -= is_send(i.op) ? limits_.tensor_bytes : 0; }

  /// Notes what is held while an instruction runs: `most` bytes, which include its `stash` and the
  /// tensor that was `handed_in`.
  void run(std::int64_t most, std::int64_t stash, std::int64_t handed_in) {
    if (most > 0) {
      LiveBytes meanwhile = live_;
      meanwhile.rest += most - stash - handed_in;
      note(meanwhile);
    }
  }

  ChunkBytes bytes_of(const Instruction& i) const {
    return limits_.chunk_bytes.empty() ? ChunkBytes{}
                                       : limits_.chunk_bytes[static_cast<std::size_t>(i.chunk)];
  }
  void activate(const ChunkBytes& bytes, int count) {
    activations_ += count;
    live_.stash += count * bytes.stash;
    peak_.activations = std::max(peak_.activations, activations_);
  }
  void stash(const ChunkBytes& bytes, int count) {
    weight_stashes_ += count;
    live_.weight_stash += count * bytes.weight_stash;
    peak_.weight_stashes = std::max(peak_.weight_stashes, weight_stashes_);
  }

  void note(const LiveBytes& moment) {
    if (throughout_ + moment.total() > peak_.bytes) {
      peak_.bytes = throughout_ + moment.total();
      peak_.held = moment;
      peak_.position = position_;
    }
  }

  const Program& program_;
  const Limits& limits_;
  bool training_;
  std::int64_t throughout_;
  std::size_t position_ = 0;
  int activations_ = 0;
  int weight_stashes_ = 0;
  LiveBytes live_;
  StagePeak peak_;
};

}  // namespace

std::vector<std::int64_t> constant_bytes(const std::vector<int>& stage_of_chunk, int stages,
                                         bool training, const Limits& limits) {
  std::vector<std::int64_t> bytes = limits.stage_bytes;
  bytes.resize(static_cast<std::size_t>(stages), 0);
  for (const Edge& edge : edges_of(stage_of_chunk)) {
    if (training || edge.payload == Payload::activation) {
      bytes[static_cast<std::size_t>(edge.destination)] += limits.slots * limits.tensor_bytes;
    }
  }
  return bytes;
}

std::vector<StagePeak> peaks_of(const Program& program, const Limits& limits) {
  const auto chunks = static_cast<std::size_t>(program.chunks);
  const auto fits = [](std::size_t given, std::size_t due) { return given == 0 || given == due; };
  require(fits(limits.stage_bytes.size(), program.stages.size()) &&
              fits(limits.chunk_bytes.size(), chunks),
          "peaks_of", "sizes of {} stages and {} chunks are given, but the program has {} and {}",
          limits.stage_bytes.size(), limits.chunk_bytes.size(), program.stages.size(), chunks);
  const bool training = trains(program);
  const std::vector<std::int64_t> bytes = constant_bytes(
      program.stage_of_chunk, static_cast<int>(program.stages.size()), training, limits);
  std::vector<StagePeak> peaks;
  peaks.reserve(program.stages.size());
  for (std::size_t stage = 0; stage < program.stages.size(); ++stage) {
    peaks.push_back(
        LiveMemory(program, limits, training, bytes[stage]).peak(program.stages[stage]));
  }
  return peaks;
}

}  // namespace stagecraft
