// Several layers in sequence as one, which no stage cuts.
#pragma once

#include "models/layers/layer.h"

namespace stagecraft {

/// Its parameters are those of `layers`, in order; it reads what they read.
LayerSpec in_sequence(std::string name, std::vector<LayerSpec> layers);

}  // namespace stagecraft
