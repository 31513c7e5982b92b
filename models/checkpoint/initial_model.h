// The weights that a run begins with, where model.init_from names them.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "models/families/model_spec.h"
#include "models/parameters/parameter_state.h"

namespace stagecraft {

/// `path` is a folder in the hub's format (hub_model.h), a checkpoint, or a run's directory or a
/// directory of checkpoints, of which it takes the newest whole one. Of a checkpoint it takes the
/// weights alone. The constructor checks that they are those of the model; of a hub's folder it
/// checks all. Throws ConfigError for the key "model.init_from" with the file, the tensor and both
/// shapes. `on_progress` is progress for a watchdog.
class InitialModel : public StateReader {
 public:
  InitialModel(
      const ModelSpec& model, const std::filesystem::path& path,
      const std::function<void()>& on_progress = [] {});
  /// Weights alone.
  void read(const StatePiece& piece, std::span<float> values) const override;

 private:
  std::unique_ptr<StateReader> reader_;
};

}  // namespace stagecraft
