// What `stagecraft checkpoint inspect` says.
#pragma once

#include <filesystem>
#include <string>

#include "models/checkpoint/checkpoint_manifest.h"

namespace stagecraft {

/// The manifest for a person: state, files, origin, where bits may differ, and the settings of
/// model, training, data and split.
std::string checkpoint_text(const CheckpointManifest& manifest,
                            const std::filesystem::path& folder);

}  // namespace stagecraft
