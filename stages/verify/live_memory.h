// What stages hold from group to group of a program: the one place that counts live activations.
// Which tensors count from when until when: docs/schedules.md, "Limits".
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "stages/program/edge.h"
#include "stages/program/program.h"

namespace stagecraft {

/// Bytes of one chunk and micro-batch. The last three are the most that are held while F, I or B
/// runs, the stash and what was handed in included, if that is to be counted.
struct ChunkBytes {
  std::int64_t stash = 0;         // from F until B or I, when training
  std::int64_t weight_stash = 0;  // from I until W
  std::int64_t forward = 0;
  std::int64_t backward_input = 0;
  std::int64_t backward = 0;
};

/// What a stage may hold, and what it holds. What is empty or 0 is not counted.
struct Limits {
  int slots = kReceiveSlots;                   // of each channel
  std::optional<std::int64_t> bytes = {};      // most that a stage may hold
  std::vector<std::int64_t> stage_bytes = {};  // one a stage: held throughout
  std::vector<ChunkBytes> chunk_bytes = {};    // one a chunk
  std::int64_t tensor_bytes = 0;               // of what one chunk hands to the next, or back
};

/// Bytes held at one moment beside `stage_bytes` and the slots.
struct LiveBytes {
  std::int64_t stash = 0;
  std::int64_t weight_stash = 0;
  std::int64_t rest = 0;  // tensors between chunks, and what the instruction that runs needs beside
  std::int64_t total() const { return stash + weight_stash + rest; }
};

struct StagePeak {
  int activations = 0;       // most pairs of chunk and micro-batch between F and B or I, training
  int weight_stashes = 0;    // most between I and W
  std::int64_t bytes = 0;    // most that all of it takes
  LiveBytes held = {};       // when it first does
  std::size_t position = 0;  // at which group that is
};

/// One a stage: what it holds throughout, by `stage_bytes` and slots.
std::vector<std::int64_t> constant_bytes(const std::vector<int>& stage_of_chunk, int stages,
                                         bool training, const Limits& limits);

/// One a stage. Counts what the lines say, whether or not the program is proven. Throws Error when
/// `limits` lists sizes for other numbers of stages or chunks than the program has.
std::vector<StagePeak> peaks_of(const Program& program, const Limits& limits);

}  // namespace stagecraft
