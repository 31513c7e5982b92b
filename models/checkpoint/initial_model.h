// Initial weights from a folder in the format of the hub's GPT-2.
#pragma once

#include <filesystem>
#include <memory>

#include "models/families/model_spec.h"

namespace stagecraft {

/// A folder with initial weights. The constructor checks all of it before any actor reads: every
/// parameter occurs once, with or without the prefix "transformer.", in float32 and with the right
/// shape. Mask buffers are ignored, and so is a lm_head.weight that is a copy of wte.weight. A
/// config.json, if present, must describe the same function. Throws ConfigError for the key
/// "model.init_from" with the file, the tensor and both shapes.
class InitialModel {
 public:
  InitialModel(const ModelSpec& model, const std::filesystem::path& folder);
  ~InitialModel();
  /// Reads this rank's part of one parameter; padding becomes zero. Safe from several threads.
  void read(Stream& stream, const Parameter& parameter, int rank, int ranks) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace stagecraft
