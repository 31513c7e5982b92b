#include "stages/verify/live_memory.h"

#include <algorithm>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

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
    const ChunkBytes bytes = bytes_of(i);
    const std::int64_t onward = i.chunk + 1 < program_.chunks ? limits_.tensor_bytes : 0;
    const std::int64_t back = i.chunk > 0 ? limits_.tensor_bytes : 0;
    if (i.op == Op::forward) {
      activate(bytes, training_ ? 1 : 0);
      run(bytes.forward, training_ ? bytes.stash : 0, back);
      live_.rest += onward - back;
    } else if (i.op == Op::backward || i.op == Op::backward_input) {
      const bool both = i.op == Op::backward;
      run(both ? bytes.backward : bytes.backward_input, bytes.stash, onward);
      activate(bytes, -1);
      stash(bytes, both ? 0 : 1);
      live_.rest += back - onward;
    } else if (i.op == Op::backward_weight) {
      stash(bytes, -1);
    } else if (is_transfer(i.op) && !is_send(i.op)) {
      live_.rest += limits_.tensor_bytes;
    }
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
