// The safetensors file format: u64 length N (little-endian), N bytes of JSON that begins with '{',
// then the data; no holes, no overlaps, exact file size, N <= 100,000,000, no duplicate keys.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "kernels/core/tensor.h"

namespace stagecraft {

/// One tensor's location in a file. `dtype` is the name in the file: "F32", "BF16", ...
struct SafetensorsEntry {
  std::string dtype;
  Shape shape;
  std::int64_t begin = 0;  // byte offset in the file
  std::int64_t bytes = 0;
};

struct SafetensorsLayout {
  std::map<std::string, SafetensorsEntry> entries;
  std::map<std::string, std::string> metadata;
  std::int64_t file_bytes = 0;
};

/// Reads and checks the header of a mapped file. Throws Error "[FILE] ..." with the broken rule.
/// Never allocates more than a small multiple of the header's size.
SafetensorsLayout read_safetensors_layout(const std::filesystem::path& file,
                                          std::span<const std::byte> contents);

/// The header of a float32 file with these tensors in this order, and the tensors' locations. A
/// pure function of names and shapes, so every writer computes the same offsets. The header is
/// padded with spaces to a multiple of 8.
struct SafetensorsHeader {
  std::string bytes;  // length and JSON
  SafetensorsLayout layout;
};
struct NamedShape {
  std::string name;
  Shape shape;
};
SafetensorsHeader make_safetensors_header(const std::vector<NamedShape>& tensors);

}  // namespace stagecraft
