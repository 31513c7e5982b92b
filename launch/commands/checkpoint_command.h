// `stagecraft checkpoint`: what a checkpoint holds, whether it is whole, and its model.
#pragma once

#include <cstdint>
#include <filesystem>

namespace stagecraft {

struct CheckpointOptions {
  std::filesystem::path path;  // run's directory, directory of checkpoints, or one checkpoint
  std::int64_t step = 0;       // 0: the newest
  bool all = false;            // verify all
  std::filesystem::path out;   // of export; "": model-step-N in the directory
};

/// Prints the manifest for a person. Returns 0.
int inspect_checkpoint(const CheckpointOptions& options);

/// Reads all bytes and compares them with their checksums and hashes. Prints which checkpoints are
/// whole, and of others the first fault. Returns 1 if one is damaged.
int verify_checkpoints(const CheckpointOptions& options);

/// Writes the weights as a model in the hub's format. Returns 0.
int export_checkpoint(const CheckpointOptions& options);

}  // namespace stagecraft
