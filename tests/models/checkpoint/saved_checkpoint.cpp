#include "tests/models/checkpoint/saved_checkpoint.h"

#include <algorithm>

#include "models/checkpoint/checkpoint_folder.h"
#include "models/checkpoint/checkpoint_reader.h"
#include "models/parameters/state_hash.h"

namespace stagecraft::test {
namespace {

namespace fs = std::filesystem;

std::vector<float> values_of(const StateReader& reader, const StatePiece& piece) {
  std::vector<float> values(static_cast<std::size_t>(elements_of(piece.box.shape())));
  reader.read(piece, values);
  return values;
}

/// The part of a box's rows that is a data rank's.
std::vector<Box> rows_of(const Box& box, const Split& split, int data) {
  const std::int64_t rows = box.end[0] - box.begin[0];
  Box part = box;
  part.begin[0] = box.begin[0] + rows * data / split.data;
  part.end[0] = box.begin[0] + rows * (data + 1) / split.data;
  return part.begin[0] < part.end[0] ? std::vector{part} : std::vector<Box>{};
}

CheckpointState state_of(const ParameterSpec& parameter, StateKind kind,
                         const std::vector<std::vector<WrittenPiece>>& written,
                         const StateReader& values) {
  const StatePiece whole{parameter, kind, whole_box(parameter.shape)};
  CheckpointState state{state_hash_of(whole, values_of(values, whole)), {}};
  for (std::size_t rank = 0; rank < written.size(); ++rank) {
    for (const WrittenPiece& piece : written[rank]) {
      if (piece.parameter == parameter.name && piece.kind == kind) {
        state.pieces.push_back({static_cast<int>(rank), piece.box, piece.checksum});
      }
    }
  }
  return state;
}

}  // namespace

std::vector<ParameterSpec> checkpoint_parameters() {
  return {{"table", {27, 5}, {.dimension = 0, .shards = 12, .padded_size = 36}, {}},
          {"rows.weight", {12, 7}, {.dimension = 0, .shards = 12}, {}},
          {"qkv.weight", {5, 36}, {.dimension = 1, .shards = 12, .groups = {12, 12, 12}}, {}},
          {"qkv.bias", {36}, {.dimension = 0, .shards = 12, .groups = {12, 12, 12}}, {}},
          {"norm.weight", {5}, {}, {}},
          {"many.weight", {3, 4, 2, 24}, {.dimension = 3, .shards = 12}, {}}};
}

std::vector<Box> held_boxes(const ParameterSpec& parameter, const Split& split, int rank) {
  ShardSpec spec = parameter.shard;
  spec.shards = split.tensor;  // as a run has it: one shard a rank
  std::vector<Box> boxes;
  for (const ShardBox& box :
       shard_boxes(parameter.shape, spec, rank % split.tensor, split.tensor)) {
    boxes.push_back(box.global);
  }
  return boxes;
}

std::vector<Box> saved_boxes(const ParameterSpec& parameter, const Split& split, int rank) {
  if (parameter.shard.replicated() && rank % split.tensor != 0) {
    return {};
  }
  std::vector<Box> saved;
  for (const Box& box : held_boxes(parameter, split, rank)) {
    const std::vector<Box> rows = rows_of(box, split, rank / split.tensor);
    saved.insert(saved.end(), rows.begin(), rows.end());
  }
  return saved;
}

std::vector<StatePiece> pieces_of(const std::vector<ParameterSpec>& parameters, const Split& split,
                                  int rank) {
  std::vector<StatePiece> pieces;
  for (const StateKind kind : kStateKinds) {
    for (const ParameterSpec& parameter : parameters) {
      for (const Box& box : saved_boxes(parameter, split, rank)) {
        pieces.push_back({parameter, kind, box});
      }
    }
  }
  return pieces;
}

std::vector<WrittenPiece> write_rank(FileSystem& files, const fs::path& unfinished,
                                     const std::vector<ParameterSpec>& parameters,
                                     const Split& split, int rank, const StateReader& values) {
  const std::vector<StatePiece> pieces = pieces_of(parameters, split, rank);
  CheckpointWriter writer(files, unfinished, rank, pieces);
  for (const StatePiece& piece : pieces) {
    writer.write(piece, values_of(values, piece));
  }
  return writer.finish();
}

CheckpointManifest manifest_of(std::int64_t step, const std::vector<ParameterSpec>& parameters,
                               const Split& split,
                               const std::vector<std::vector<WrittenPiece>>& written,
                               const StateReader& values) {
  CheckpointManifest manifest;
  manifest.step = step;
  manifest.samples = 8 * step;
  manifest.loss = 1.0 / static_cast<double>(step);
  manifest.settings = {{"train.seed", "1"}};
  manifest.origin = {{"split", fmt::format("{} ranks", split.ranks())}};
  for (int rank = 0; rank < split.ranks(); ++rank) {
    manifest.files.push_back(
        {checkpoint_file_name(rank), checkpoint_file_bytes(pieces_of(parameters, split, rank))});
  }
  for (const ParameterSpec& parameter : parameters) {
    CheckpointTensor tensor{parameter.name, parameter.shape, {}};
    for (const StateKind kind : kStateKinds) {
      tensor.states.at(static_cast<std::size_t>(kind)) = state_of(parameter, kind, written, values);
    }
    manifest.tensors.push_back(std::move(tensor));
  }
  return manifest;
}

void StateOfStep::read(const StatePiece& piece, std::span<float> values) const {
  state_.read(piece, values);
  std::ranges::for_each(values, [this](float& value) { value += static_cast<float>(step_); });
}

fs::path save_checkpoint(FileSystem& files, const fs::path& directory, std::int64_t step,
                         const Split& split, const std::vector<ParameterSpec>& parameters) {
  const StateOfStep values(parameters, step);
  const fs::path unfinished = begin_checkpoint(files, directory, step);
  std::vector<std::vector<WrittenPiece>> written;
  for (int rank = 0; rank < split.ranks(); ++rank) {
    written.push_back(write_rank(files, unfinished, parameters, split, rank, values));
  }
  commit_checkpoint(files, unfinished, manifest_of(step, parameters, split, written, values));
  return checkpoint_folder(directory, step);
}

bool reads_back(FileSystem& files, const fs::path& folder, std::int64_t step, const Split& split,
                const std::vector<ParameterSpec>& parameters) {
  const StateOfStep values(parameters, step);
  const CheckpointReader reader(files, folder);
  bool equal = true;
  for (int rank = 0; rank < split.ranks(); ++rank) {
    for (const StateKind kind : kStateKinds) {
      for (const ParameterSpec& parameter : parameters) {
        for (const Box& box : held_boxes(parameter, split, rank)) {
          const StatePiece piece{parameter, kind, box};
          equal = equal && values_of(reader, piece) == values_of(values, piece);
        }
      }
    }
  }
  return equal;
}

}  // namespace stagecraft::test
