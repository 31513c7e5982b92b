// Checkpoints of whole tensors, written by one rank, for tests.
#pragma once

#include <filesystem>
#include <vector>

#include "kernels/base/file_system.h"
#include "models/checkpoint/checkpoint_folder.h"
#include "models/checkpoint/checkpoint_writer.h"
#include "models/parameters/state_hash.h"

namespace stagecraft::test {

struct UnfinishedCheckpoint {
  std::filesystem::path folder;
  CheckpointManifest manifest;
};

/// Writes the pieces; the manifest has all but settings, origin and different_bits.
inline UnfinishedCheckpoint write_unfinished(FileSystem& files,
                                             const std::filesystem::path& directory,
                                             std::int64_t step,
                                             const std::vector<ParameterSpec>& parameters,
                                             const StateReader& values) {
  UnfinishedCheckpoint made{begin_checkpoint(files, directory, step), {}};
  std::vector<StatePiece> pieces;
  for (const ParameterSpec& parameter : parameters) {
    for (const StateKind kind : kStateKinds) {
      pieces.push_back({parameter, kind, whole_box(parameter.shape)});
    }
    made.manifest.tensors.push_back({parameter.name, parameter.shape, {}});
  }
  CheckpointWriter writer(files, made.folder, 0, pieces);
  std::vector<std::uint64_t> hashes;
  for (const StatePiece& piece : pieces) {
    std::vector<float> elements(static_cast<std::size_t>(elements_of(piece.parameter.shape)));
    values.read(piece, elements);
    writer.write(piece, elements);
    hashes.push_back(state_hash_of(piece, elements));
  }
  const std::vector<WrittenPiece> written = writer.finish();
  for (std::size_t i = 0; i < written.size(); ++i) {
    CheckpointState& state =
        made.manifest.tensors[i / 3].states.at(static_cast<std::size_t>(written[i].kind));
    state = {hashes[i], {{0, written[i].box, written[i].checksum}}};
  }
  made.manifest.files = {{checkpoint_file_name(0), checkpoint_file_bytes(pieces)}};
  made.manifest.step = step;
  made.manifest.samples = 8 * step;
  made.manifest.loss = 2.5;
  return made;
}

/// Writes and commits. Returns the checkpoint's folder.
inline std::filesystem::path save_whole(FileSystem& files, const std::filesystem::path& directory,
                                        std::int64_t step,
                                        const std::vector<ParameterSpec>& parameters,
                                        const StateReader& values,
                                        const std::map<std::string, std::string>& settings = {}) {
  UnfinishedCheckpoint made = write_unfinished(files, directory, step, parameters, values);
  made.manifest.settings = settings;
  commit_checkpoint(files, made.folder, made.manifest);
  return checkpoint_folder(directory, step);
}

}  // namespace stagecraft::test
