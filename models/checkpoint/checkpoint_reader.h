// A checkpoint in files.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "kernels/base/file_system.h"
#include "models/checkpoint/checkpoint_source.h"
#include "models/families/model_spec.h"

namespace stagecraft {

/// Opens files when a piece of them is first read. A box of any split is put together from the
/// pieces that it meets; every piece that is read is compared with its checksum before read()
/// returns. After an error the values must not be used. Errors are Error "[FILE] ..." with the
/// tensor.
///
/// A piece that lies in the box without gaps is read in place. Another one is read into memory of
/// its own size, and the last of these are kept, up to 256 MiB or the last one, for the next box
/// that cuts them.
class CheckpointReader : public CheckpointSource {
 public:
  /// Reads and checks the manifest. `files` must outlive it.
  CheckpointReader(FileSystem& files, std::filesystem::path folder);
  ~CheckpointReader() override;
  const CheckpointManifest& manifest() const override;
  void read(const StatePiece& piece, std::span<float> values) const override;
  /// Reads all: headers, sizes, checksums, hashes of tensors, and that there is no other file.
  /// Throws Error for the first fault.
  void verify(const std::function<void()>& on_progress = [] {}) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Throws Error with the tensor and both shapes unless the checkpoint has the parameters of the
/// model, and no others.
void check_tensors(const CheckpointManifest& manifest, const ModelSpec& model,
                   const std::filesystem::path& folder);

}  // namespace stagecraft
