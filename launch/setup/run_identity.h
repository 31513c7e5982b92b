// What the manifests of a run's checkpoints say of it, besides its state.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "models/checkpoint/checkpoint_manifest.h"

namespace stagecraft {

struct RunIdentity {
  std::map<std::string, std::string> settings;  // CheckpointManifest::settings, and so on
  std::map<std::string, std::string> origin;
  std::vector<DifferentBits> different_bits;
};

}  // namespace stagecraft
