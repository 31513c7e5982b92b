// Live memory: the bytes that stages hold after each group of a program. Live activations are
// counted here and nowhere else. docs/schedules.md, "Limits", says how long each tensor counts.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "stages/program/edge.h"
#include "stages/program/program.h"

namespace stagecraft {

/// Bytes of one chunk and micro-batch. The last three are the most that is held while F, I or B
/// runs, including the stash and the input tensor; 0: not counted.
struct ChunkBytes {
  std::int64_t stash = 0;         // from F until B or I, when training
  std::int64_t weight_stash = 0;  // from I until W
  std::int64_t forward = 0;
  std::int64_t backward_input = 0;
  std::int64_t backward = 0;
};

/// The limit of what a stage may hold, and the sizes of what it holds. Empty or 0: not counted.
struct Limits {
  int slots = kReceiveSlots;                   // of each channel
  std::optional<std::int64_t> bytes = {};      // maximum that a stage may hold
  std::vector<std::int64_t> stage_bytes = {};  // per stage: held throughout
  std::vector<ChunkBytes> chunk_bytes = {};    // per chunk
  std::int64_t tensor_bytes = 0;               // of an activation or gradient between two chunks
};

/// Bytes held at one moment, without `stage_bytes` and the slots.
struct LiveBytes {
  std::int64_t stash = 0;
  std::int64_t weight_stash = 0;
  std::int64_t rest = 0;  // tensors between chunks, and the workspace of a running instruction
  std::int64_t total() const { return stash + weight_stash + rest; }
};

struct StagePeak {
  int activations = 0;       // maximum of (chunk, micro-batch) pairs between F and B or I; training
  int weight_stashes = 0;    // maximum of such pairs between I and W
  std::int64_t bytes = 0;    // maximum of all bytes held
  LiveBytes held = {};       // when that maximum is first reached
  std::size_t position = 0;  // the group at which it is reached
};

/// Per stage: the bytes that it holds throughout, from `stage_bytes` and slots.
std::vector<std::int64_t> constant_bytes(const std::vector<int>& stage_of_chunk, int stages,
                                         bool training, const Limits& limits);

/// The peak of each stage. Counts what the lines say, whether or not the program is proven. Throws
/// Error if `limits` lists sizes for other numbers of stages or chunks than the program has.
std::vector<StagePeak> peaks_of(const Program& program, const Limits& limits);

}  // namespace stagecraft
