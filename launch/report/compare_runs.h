// Where two runs part: the first step, then the first tensor, then the first element.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "kernels/base/file_system.h"
#include "kernels/core/tensor.h"
#include "models/parameters/parameter_state.h"

namespace stagecraft {

/// The first value of metrics.jsonl that differs.
struct ValueDifference {
  std::int64_t step = 0;
  std::string key;
  std::array<std::string, 2> values;  // as JSON
};

/// The first state of a tensor whose hashes differ, in model order, of the first step that has
/// such a one.
struct TensorDifference {
  std::int64_t step = 0;
  std::string name;
  StateKind kind = StateKind::weight;
  std::size_t differ = 0;  // tensors of the step
  std::size_t tensors = 0;
};

/// The first element of that state whose bits differ, row-major.
struct ElementDifference {
  Shape index;
  std::array<float, 2> values{};
};

struct RunComparison {
  std::int64_t last_step = 0;             // the last one that both runs have
  std::vector<std::int64_t> hashed;       // steps of which both have hashes of tensors
  std::vector<std::int64_t> checkpoints;  // steps of which both have a checkpoint
  std::optional<ValueDifference> value;
  std::optional<TensorDifference> tensor;
  std::optional<ElementDifference> element;
  bool equal() const { return !value && !tensor; }
};

/// Each run is a run's directory, or a directory of checkpoints. Values come from metrics.jsonl,
/// hashes from state_hashes.jsonl and the manifests of checkpoints, elements from checkpoints.
/// Throws Error for a run without any of these, two without a common step, and for a checkpoint
/// that is damaged.
RunComparison compare_runs(FileSystem& files, const std::array<std::filesystem::path, 2>& runs);

}  // namespace stagecraft
