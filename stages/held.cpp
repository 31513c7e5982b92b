#include "stages/held.h"

#include <algorithm>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

/// Walks along one stage's line.
class Held {
 public:
  Held(const Program& program, const Limits& limits, bool training, std::int64_t throughout)
      : program_(program), limits_(limits), training_(training), throughout_(throughout) {
    peak_.bytes = throughout;
  }

  StagePeak peak(const StageProgram& line) {
    for (std::size_t position = 0; position < line.size(); ++position) {
      const Group& group = line[position];
      std::for_each(group.begin(), group.end(), [&](const Instruction& i) { take(i); });
      note(position);
      std::for_each(group.begin(), group.end(), [&](const Instruction& i) { let_go(i); });
    }
    return peak_;
  }

 private:
  /// What was handed in goes, what is handed on comes.
  void take(const Instruction& i) {
    const int onward = i.chunk + 1 < program_.chunks ? 1 : 0;
    const int back = i.chunk > 0 ? 1 : 0;
    if (i.op == Op::forward) {
      hand(onward - back);
      activate(i, training_ ? 1 : 0);
    } else if (i.op == Op::backward || i.op == Op::backward_input) {
      hand(back - onward);
      activate(i, -1);
      stash(i, i.op == Op::backward_input ? 1 : 0);
    } else if (i.op == Op::backward_weight) {
      stash(i, -1);
    } else if (is_transfer(i.op) && !is_send(i.op)) {
      hand(1);
    }
  }
  void let_go(const Instruction& i) {
    if (is_send(i.op)) {
      hand(-1);
    }
  }

  void hand(int tensors) { held_.tensors += tensors * limits_.tensor_bytes; }
  ChunkBytes bytes_of(const Instruction& i) const {
    return limits_.chunk_bytes.empty() ? ChunkBytes{}
                                       : limits_.chunk_bytes[static_cast<std::size_t>(i.chunk)];
  }
  void activate(const Instruction& i, int count) {
    activations_ += count;
    held_.stash += count * bytes_of(i).stash;
  }
  void stash(const Instruction& i, int count) {
    weight_stashes_ += count;
    held_.weight_stash += count * bytes_of(i).weight_stash;
  }

  void note(std::size_t position) {
    peak_.activations = std::max(peak_.activations, activations_);
    peak_.weight_stashes = std::max(peak_.weight_stashes, weight_stashes_);
    if (throughout_ + held_.total() > peak_.bytes) {
      peak_.bytes = throughout_ + held_.total();
      peak_.held = held_;
      peak_.position = position;
    }
  }

  const Program& program_;
  const Limits& limits_;
  bool training_;
  std::int64_t throughout_;
  int activations_ = 0;
  int weight_stashes_ = 0;
  HeldBytes held_;
  StagePeak peak_;
};

/// Stage and slot bytes, one a stage.
std::vector<std::int64_t> throughout(const Program& program, const Limits& limits, bool training) {
  std::vector<std::int64_t> bytes = limits.stage_bytes;
  bytes.resize(program.stages.size(), 0);
  for (const Edge& edge : edges_of(program.stage_of_chunk)) {
    if (training || edge.payload == Payload::activation) {
      bytes[static_cast<std::size_t>(edge.destination)] += limits.slots * limits.tensor_bytes;
    }
  }
  return bytes;
}

}  // namespace

std::vector<StagePeak> peaks_of(const Program& program, const Limits& limits) {
  const auto chunks = static_cast<std::size_t>(program.chunks);
  const auto fits = [](std::size_t given, std::size_t due) { return given == 0 || given == due; };
  require(fits(limits.stage_bytes.size(), program.stages.size()) &&
              fits(limits.chunk_bytes.size(), chunks),
          "peaks_of", "sizes of {} stages and {} chunks are given where the program has {} and {}",
          limits.stage_bytes.size(), limits.chunk_bytes.size(), program.stages.size(), chunks);
  const bool training = trains(program);
  const std::vector<std::int64_t> bytes = throughout(program, limits, training);
  std::vector<StagePeak> peaks;
  peaks.reserve(program.stages.size());
  for (std::size_t stage = 0; stage < program.stages.size(); ++stage) {
    peaks.push_back(Held(program, limits, training, bytes[stage]).peak(program.stages[stage]));
  }
  return peaks;
}

}  // namespace stagecraft
