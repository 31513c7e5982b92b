// A model folder in the hub's format from a checkpoint.
#pragma once

#include <filesystem>
#include <functional>

#include "models/checkpoint/checkpoint_source.h"
#include "models/checkpoint/model_file.h"

namespace stagecraft {

/// Writes the weights of `source`, one tensor at a time in memory. The folder holds a whole model
/// when it returns, and nothing unfinished after a failure.
void export_model(FileSystem& files, const CheckpointSource& source, const ModelSpec& model,
                  const std::filesystem::path& folder, const BlockWriteOptions& options = {});

}  // namespace stagecraft
