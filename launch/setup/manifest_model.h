// The model that a checkpoint is of.
#pragma once

#include "models/checkpoint/checkpoint_manifest.h"
#include "models/families/model_spec.h"

namespace stagecraft {

/// From the manifest's settings of model, data and training. Throws BadInput or ConfigError if they
/// are no model.
ModelSpec manifest_model(const CheckpointManifest& manifest);

}  // namespace stagecraft
