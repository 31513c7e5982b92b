// RUN/model/: model.safetensors and config.json in the hub's format, with the names and the layout
// of the family's weight files (families/weight_names.h), in float32. The driver makes
// both files under temporary names, the weights with their final size. Each actor writes its own
// elements into the weights and flushes them. The driver renames the files when all actors are
// done.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "kernels/base/block_writer.h"
#include "models/checkpoint/safetensors.h"
#include "models/checkpoint/weight_layout.h"
#include "models/families/model_spec.h"
#include "models/parameters/parameter_state.h"

namespace stagecraft {

/// Driver: creates `folder` and in it, under temporary names, config.json and the weights file with
/// its header and its final size, and flushes both. Returns the path of the weights file. A failure
/// is an Error with the path, and leaves neither file.
std::filesystem::path begin_model_files(FileSystem& files, const ModelSpec& model,
                                        const std::filesystem::path& folder);

/// Actor: writes its pieces of the weights into the file of begin_model_files(). No byte is written
/// that another actor owns, so that actors of several hosts can write one file.
class ModelFileWriter : public StateWriter {
 public:
  /// Opens nothing: an actor that owns no piece needs no access to the folder. `files` must outlive
  /// it.
  ModelFileWriter(FileSystem& files, const ModelSpec& model, std::filesystem::path temporary,
                  BlockWriteOptions options = {});
  /// Where a file's tensor has another layout, the host holds the piece twice.
  void write(const StatePiece& piece, std::span<const float> values) override;
  /// Returns when all that was written is on the disk. Call it after the last piece.
  void sync();

 private:
  BlockWriter& file();
  /// `tensor_begin` is a byte of the file.
  void write_part(const WeightPart& part, std::int64_t tensor_begin, std::span<const float> values);
  /// `values` are the part's elements in the order of the file.
  void write_runs(const WeightPart& part, std::int64_t tensor_begin, std::span<const float> values);

  FileSystem& files_;
  std::filesystem::path temporary_;
  BlockWriteOptions options_;
  SafetensorsLayout layout_;
  WeightNames names_;
  std::optional<BlockWriter> file_;  // empty before the first piece
};

/// Driver: gives both files their final names, in place of earlier ones, on the disk too. The
/// folder then holds a complete model. After a failure it holds the earlier model, or this one,
/// whole.
void finish_model_files(FileSystem& files, const std::filesystem::path& temporary);

/// Driver: removes the files of begin_model_files() that finish_model_files() has not renamed.
void discard_model_files(FileSystem& files, const std::filesystem::path& folder) noexcept;

}  // namespace stagecraft
