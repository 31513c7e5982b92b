// Checkpoints of a few small parameters, saved over any split, for tests.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "kernels/base/file_system.h"
#include "models/checkpoint/checkpoint_manifest.h"
#include "models/checkpoint/checkpoint_writer.h"
#include "models/parameters/parameter_state.h"
#include "tests/models/parameters/memory_state.h"

namespace stagecraft::test {

struct Split {
  int tensor = 1;
  int data = 1;
  int ranks() const { return tensor * data; }
};

/// A table with padding, rows and columns that are cut, q | k | v, and what every rank holds.
std::vector<ParameterSpec> checkpoint_parameters();

/// What a rank of the split holds of one parameter, or saves of it: data ranks share the rows.
std::vector<Box> held_boxes(const ParameterSpec& parameter, const Split& split, int rank);
std::vector<Box> saved_boxes(const ParameterSpec& parameter, const Split& split, int rank);

/// The pieces of a rank, of all kinds. They refer to `parameters`.
std::vector<StatePiece> pieces_of(const std::vector<ParameterSpec>& parameters, const Split& split,
                                  int rank);

/// The pieces that a rank writes with these values.
std::vector<WrittenPiece> write_rank(FileSystem& files, const std::filesystem::path& unfinished,
                                     const std::vector<ParameterSpec>& parameters,
                                     const Split& split, int rank, const StateReader& values);

/// The manifest of what the ranks wrote.
CheckpointManifest manifest_of(std::int64_t step, const std::vector<ParameterSpec>& parameters,
                               const Split& split,
                               const std::vector<std::vector<WrittenPiece>>& written,
                               const StateReader& values);

/// Adds a number to each element, so that steps differ.
class StateOfStep : public StateReader {
 public:
  StateOfStep(const std::vector<ParameterSpec>& parameters, std::int64_t step)
      : state_(parameters), step_(step) {}
  void read(const StatePiece& piece, std::span<float> values) const override;

 private:
  MemoryState state_;
  std::int64_t step_;
};

/// Saves and commits. Returns the folder.
std::filesystem::path save_checkpoint(
    FileSystem& files, const std::filesystem::path& directory, std::int64_t step,
    const Split& split, const std::vector<ParameterSpec>& parameters = checkpoint_parameters());

/// Whether the whole state of a step is read from the folder, part by part of a reader's split.
bool reads_back(FileSystem& files, const std::filesystem::path& folder, std::int64_t step,
                const Split& split,
                const std::vector<ParameterSpec>& parameters = checkpoint_parameters());

}  // namespace stagecraft::test
