// Weights in a folder in the hub's format, whatever the family calls and how it lays out its
// tensors (families/weight_names.h).
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "models/families/model_spec.h"
#include "models/parameters/parameter_state.h"

namespace stagecraft {

/// The constructor checks all of the folder before any actor reads: the tensors that the model's
/// weight names list are there once, with or without the prefix, in float32, float16 or bfloat16,
/// and with the right shape; copies equal what they copy; and there is no other tensor. A
/// config.json, if present, must describe the same function. Throws Error with the file, the tensor
/// and the remedy. `on_progress` is called before each file and each block of numbers that is
/// compared: progress for a watchdog.
class HubModel : public StateReader {
 public:
  HubModel(
      const ModelSpec& model, const std::filesystem::path& folder,
      const std::function<void()>& on_progress = [] {});
  ~HubModel() override;
  /// Weights alone: the folder has no moments. Touches no more of the files than the box's
  /// elements.
  void read(const StatePiece& piece, std::span<float> values) const override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace stagecraft
