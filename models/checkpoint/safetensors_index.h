// model.safetensors.index.json: in which file of a folder each tensor of a model lies.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace stagecraft {

/// File names by tensor name: the object "weight_map". Each is the name of a file in the folder of
/// the index, without a path. What else the object has, as "metadata", is ignored. Throws Error
/// "[FILE] ..." for everything else, duplicate keys included.
std::map<std::string, std::string> parse_safetensors_index(const std::string& file,
                                                           std::string_view text);

}  // namespace stagecraft
