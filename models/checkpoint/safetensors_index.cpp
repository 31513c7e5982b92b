#include "models/checkpoint/safetensors_index.h"

#include <filesystem>

#include "kernels/base/error.h"
#include "models/checkpoint/json_value.h"

namespace stagecraft {
namespace {

constexpr const char* kMap = "weight_map";
constexpr int kDepth = 8;  // the format needs two; its metadata is free

/// Throws Error unless `name` is the name of a file, without a path.
void check_plain(const std::string& index, const std::string& tensor, const std::string& name) {
  const bool plain = !name.empty() && name != "." && name != ".." &&
                     name.find_first_of(std::string_view("/\0", 2)) == std::string::npos;
  if (!plain) {
    throw Error(index,
                fmt::format("tensor {} is said to lie in {}, which is not the name of a file "
                            "in this folder",
                            tensor, nlohmann::json(name).dump()));
  }
}

}  // namespace

std::map<std::string, std::string> parse_safetensors_index(const std::string& file,
                                                           std::string_view text) {
  const nlohmann::json json = parse_json(file, text, kDepth);
  require(json.is_object() && json.contains(kMap), file,
          "is not an object with the member \"{}\"; save the model again", kMap);
  std::map<std::string, std::string> files = JsonValue(file, json)[kMap].texts();
  for (const auto& [tensor, name] : files) {
    check_plain(file, tensor, name);
  }
  return files;
}

}  // namespace stagecraft
