// Where the state of a run that goes on comes from.
#pragma once

#include "models/checkpoint/checkpoint_manifest.h"
#include "models/parameters/parameter_state.h"

namespace stagecraft {

/// Whatever keeps checkpoints: files (checkpoint_reader.h), and memory in tests.
class CheckpointSource : public StateReader {
 public:
  virtual const CheckpointManifest& manifest() const = 0;
};

}  // namespace stagecraft
