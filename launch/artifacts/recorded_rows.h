// What the rows of a run directory say, step by step.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace stagecraft {

/// The values of one step by their keys, as JSON. Times and rates are left out: they differ between
/// runs that compute the same.
using StepValues = std::map<std::string, std::string>;

/// Of all steps in a file like RUN/metrics.jsonl. A line that is torn counts as none.
std::map<std::int64_t, StepValues> recorded_metrics(const std::filesystem::path& file);

/// A parameter's hashes, by StateKind, as in the file.
struct TensorHashes {
  std::string name;
  std::array<std::string, 3> hashes;
  friend bool operator==(const TensorHashes&, const TensorHashes&) = default;
};

/// Of all steps in a file like RUN/state_hashes.jsonl, in model order. Likewise.
std::map<std::int64_t, std::vector<TensorHashes>> recorded_hashes(
    const std::filesystem::path& file);

}  // namespace stagecraft
