// Keys of the model, of training, and of the data.
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
