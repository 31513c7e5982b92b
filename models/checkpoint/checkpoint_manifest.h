// The manifest of a checkpoint: what it holds, where, and of which run. One JSON object whose last
// member is the hash of all bytes before it. See docs/file_formats/checkpoint.md.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/tensor.h"
#include "models/parameters/parameter_state.h"
#include "tensor_parallel/sharding/box.h"

namespace stagecraft {

/// A box of a tensor in one of the files.
struct CheckpointPiece {
  int file = 0;  // position in CheckpointManifest::files
  Box box;
  std::uint64_t checksum = 0;  // XXH3 (64 bits) of the box's elements as they lie in the file
  friend bool operator==(const CheckpointPiece&, const CheckpointPiece&) = default;
};

/// A tensor's state of one kind.
struct CheckpointState {
  std::uint64_t hash = 0;               // models/parameters/state_hash.h
  std::vector<CheckpointPiece> pieces;  // they cover the tensor without overlap
  friend bool operator==(const CheckpointState&, const CheckpointState&) = default;
};

struct CheckpointTensor {
  std::string name;
  Shape shape;                            // global, without padding
  std::array<CheckpointState, 3> states;  // by StateKind
  const CheckpointState& at(StateKind kind) const {
    return states.at(static_cast<std::size_t>(kind));
  }
  friend bool operator==(const CheckpointTensor&, const CheckpointTensor&) = default;
};

/// A safetensors file. Its header is a function of the names, boxes and order of its pieces.
struct CheckpointFile {
  std::string name;
  std::int64_t bytes = 0;
  friend bool operator==(const CheckpointFile&, const CheckpointFile&) = default;
};

/// From this step on, the bits of the run may differ from those of a run without stops.
struct DifferentBits {
  std::int64_t step = 0;
  std::string reason;
  friend bool operator==(const DifferentBits&, const DifferentBits&) = default;
};

struct CheckpointManifest {
  std::int64_t step = 0;                  // completed
  std::int64_t samples = 0;               // consumed, from the first sample of the run on
  double loss = 0;                        // of the step
  std::optional<double> validation_loss;  // of the last evaluation that was whole
  std::int64_t validation_step = 0;       // that it followed
  bool evaluation_due = false;            // the evaluation behind the step is still to be done
  /// Keys of the configuration and their values as TOML, such as {"train.seed", "1"}.
  std::map<std::string, std::string> settings;
  /// What else the numbers depend on: "program", "backend", "device", "libraries", "data", "split",
  /// with what they were. "data" is the fingerprint of the data.
  std::map<std::string, std::string> origin;
  std::vector<DifferentBits> different_bits;
  std::vector<CheckpointFile> files;
  std::vector<CheckpointTensor> tensors;  // in model order

  /// The sum of the hashes of all tensors and kinds, modulo 2^64.
  std::uint64_t state_hash() const;
  friend bool operator==(const CheckpointManifest&, const CheckpointManifest&) = default;
};

inline constexpr int kCheckpointVersion = 1;

/// The bytes of manifest.json.
std::string manifest_json(const CheckpointManifest& manifest);

/// Reads what manifest_json() gives. Throws Error "[FILE] ..." for anything else: a wrong hash, an
/// unknown version (by its number), an unknown, missing or repeated member, a piece outside its
/// tensor, pieces that overlap or leave elements out.
CheckpointManifest parse_manifest(const std::string& file, std::string_view json);

/// 16 lower-case hexadecimal digits.
std::string hash_text(std::uint64_t hash);

}  // namespace stagecraft
