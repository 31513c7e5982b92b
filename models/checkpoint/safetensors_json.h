// The JSON of a safetensors header.
#pragma once

#include <string>
#include <string_view>

#include "models/checkpoint/safetensors.h"

namespace stagecraft {

/// Tensors and metadata, each tensor by itself checked: known dtype, whole sizes, and as many bytes
/// as its shape takes. Entries begin where the file says, counted from the end of the header.
/// Throws Error "[FILE] ..." for everything that is not of the format, duplicate keys included.
SafetensorsLayout parse_safetensors_json(const std::string& file, std::string_view text);

}  // namespace stagecraft
