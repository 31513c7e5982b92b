// Streams on the devices of this host.
#pragma once

#include <memory>

#include "kernels/core/stream.h"

namespace stagecraft {

/// Throws Error when the device cannot be used.
std::unique_ptr<Stream> make_stream(Device device, const StreamOptions& options);

}  // namespace stagecraft
