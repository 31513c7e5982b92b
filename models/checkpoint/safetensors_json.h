// The JSON of a safetensors header.
#pragma once

#include <string>
#include <string_view>

#include "models/checkpoint/safetensors.h"

namespace stagecraft {

/// Parses tensors and metadata, and checks each tensor: a known dtype, integer sizes, and the
/// number of bytes that its shape needs. SafetensorsEntry::begin counts from the end of the header,
/// as in the file. Throws Error "[FILE] ..." for everything outside the format, duplicate keys
/// included.
SafetensorsLayout parse_safetensors_json(const std::string& file, std::string_view text);

}  // namespace stagecraft
