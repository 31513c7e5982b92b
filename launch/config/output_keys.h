// Keys of what a run writes besides the model.
#pragma once

#include "launch/config/config_key.h"

namespace stagecraft {

/// [checkpoint]
Keys checkpoint_keys();
/// [metrics]
Keys metrics_keys();
/// [trace]
Keys trace_keys();

}  // namespace stagecraft
