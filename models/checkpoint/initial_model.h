// Weights to start from: a folder in the format of the hub's GPT-2.
#pragma once

#include <filesystem>
#include <memory>

#include "models/families/model_spec.h"

namespace stagecraft {

/// A folder to start from, checked as a whole before any actor reads: every parameter there once,
/// float32, of the right shape, with or without the prefix "transformer."; mask buffers are passed
/// over, and so is a lm_head.weight that is a copy of wte.weight. A config.json, if there, must
/// describe the same function. Throws ConfigError with the key "model.init_from" that names file,
/// tensor and both shapes.
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
