// The rules that the values of a manifest keep together.
#pragma once

#include <string>

#include "models/checkpoint/checkpoint_manifest.h"

namespace stagecraft {

inline constexpr int kMaxCheckpointFiles = 1 << 20;
/// The name of the manifest in the folder of a checkpoint.
inline constexpr const char* kManifestName = "manifest.json";

/// Throws Error "[FILE] ..." for a name that occurs twice or leads out of the folder, a piece of a
/// file that is not listed or outside its tensor, and pieces that overlap or leave elements out.
void check_manifest(const std::string& file, const CheckpointManifest& manifest);

}  // namespace stagecraft
