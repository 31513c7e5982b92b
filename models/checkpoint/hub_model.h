// Weights in a folder in the format of the hub's GPT-2.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "models/families/model_spec.h"
#include "models/parameters/parameter_state.h"

namespace stagecraft {

/// The constructor checks all of the folder before any actor reads: every parameter occurs once,
/// with or without the prefix "transformer.", in float32 and with the right shape. Mask buffers are
/// ignored, and so is a lm_head.weight that is a copy of wte.weight. A config.json, if present,
/// must describe the same function. Throws Error with the file, the tensor and both shapes.
/// `on_progress` is called before each block of bytes that is compared: progress for a watchdog.
class HubModel : public StateReader {
 public:
  HubModel(
      const ModelSpec& model, const std::filesystem::path& folder,
      const std::function<void()>& on_progress = [] {});
  ~HubModel() override;
  /// Weights alone: the folder has no moments.
  void read(const StatePiece& piece, std::span<float> values) const override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace stagecraft
