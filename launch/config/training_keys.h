// Keys of what is trained: the model, how it learns, and from which text.
#pragma once

#include "launch/config/config_key.h"

namespace stagecraft {

/// [model]
Keys model_keys();
/// [train]
Keys train_keys();
/// [data]
Keys data_keys();

}  // namespace stagecraft
