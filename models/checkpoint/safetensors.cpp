// The bytes of a safetensors header, and the rules for its lengths, order and sizes.
// safetensors_json.cpp reads the JSON.
#include "models/checkpoint/safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "models/checkpoint/safetensors_json.h"

namespace stagecraft {
namespace {

constexpr std::int64_t kLengthBytes = 8;
constexpr std::int64_t kLongestHeader = 100'000'000;
constexpr std::size_t kHeaderAlignment = 8;
constexpr std::int64_t kFloatBytes = 4;

/// Checks the lengths and returns the JSON text.
std::string_view header_text(const std::string& file, std::span<const std::byte> contents) {
  const auto file_bytes = static_cast<std::int64_t>(contents.size());
  require(file_bytes >= kLengthBytes, file,
          "the file has {} bytes; a safetensors file begins with a length of 8 bytes", file_bytes);
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(kLengthBytes); ++i) {
    length |= std::to_integer<std::uint64_t>(contents[i]) << (8 * i);
  }
  require(length <= static_cast<std::uint64_t>(kLongestHeader), file,
          "the header would have {} bytes; at most {} are allowed", length, kLongestHeader);
  require(static_cast<std::int64_t>(length) <= file_bytes - kLengthBytes, file,
          "the header would have {} bytes, but only {} bytes follow its length", length,
          file_bytes - kLengthBytes);
  return {reinterpret_cast<const char*>(contents.data()) + kLengthBytes,
          static_cast<std::size_t>(length)};
}

/// The tensors in the order of their data.
std::vector<std::pair<std::string_view, const SafetensorsEntry*>> in_file_order(
    const SafetensorsLayout& layout) {
  std::vector<std::pair<std::string_view, const SafetensorsEntry*>> order;
  order.reserve(layout.entries.size());
  for (const auto& [name, entry] : layout.entries) {
    order.emplace_back(name, &entry);
  }
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::pair(a.second->begin, a.second->bytes) <
           std::pair(b.second->begin, b.second->bytes);
  });
  return order;
}

/// Checks that there are no holes and no overlaps, and that the file size is exact. Offsets are
/// those in the file, which count from the end of the header.
void check_coverage(const std::string& file, const SafetensorsLayout& layout,
                    std::int64_t data_bytes) {
  std::int64_t end = 0;
  std::string_view before = "the header";
  for (const auto& [name, entry] : in_file_order(layout)) {
    const std::int64_t begin = entry->begin;
    require(begin >= end, file,
            "tensor \"{}\" begins at data byte {} and overlaps {}, which ends at {}", name, begin,
            before, end);
    require(begin == end, file,
            "data bytes {} .. {} between {} and tensor \"{}\" belong to no tensor", end, begin - 1,
            before, name);
    end = begin + entry->bytes;
    before = name;
  }
  require(data_bytes >= end, file,
          "the file is truncated: the tensors end at data byte {}, the file at {}", end,
          data_bytes);
  require(data_bytes == end, file, "{} bytes follow the last tensor, which ends at data byte {}",
          data_bytes - end, end);
}

std::string quoted(const std::string& text) { return nlohmann::json(text).dump(); }

std::string entry_text(const std::string& name, const Shape& shape, std::int64_t begin,
                       std::int64_t end) {
  std::string sizes;
  for (const std::int64_t size : shape) {
    sizes += fmt::format("{}{}", sizes.empty() ? "" : ",", size);
  }
  return fmt::format(R"(,{}:{{"dtype":"F32","shape":[{}],"data_offsets":[{},{}]}})", quoted(name),
                     sizes, begin, end);
}

std::string length_bytes(std::size_t length) {
  std::string bytes;
  for (std::size_t i = 0; i < static_cast<std::size_t>(kLengthBytes); ++i) {
    bytes += static_cast<char>((length >> (8 * i)) & 0xFF);
  }
  return bytes;
}

}  // namespace

SafetensorsLayout read_safetensors_layout(const std::filesystem::path& file,
                                          std::span<const std::byte> contents) {
  const std::string name = file.string();
  const std::string_view text = header_text(name, contents);
  require(!text.empty() && text.front() == '{', name, "the header does not begin with '{{'");
  SafetensorsLayout layout = parse_safetensors_json(name, text);
  layout.file_bytes = static_cast<std::int64_t>(contents.size());
  const std::int64_t data_begin = kLengthBytes + static_cast<std::int64_t>(text.size());
  check_coverage(name, layout, layout.file_bytes - data_begin);
  for (auto& [tensor, entry] : layout.entries) {
    entry.begin += data_begin;
  }
  return layout;
}

SafetensorsHeader make_safetensors_header(const std::vector<NamedShape>& tensors) {
  SafetensorsHeader header;
  header.layout.metadata["format"] = "pt";
  std::string text = R"({"__metadata__":{"format":"pt"})";
  std::int64_t end = 0;
  for (const NamedShape& tensor : tensors) {
    const std::int64_t bytes = elements_of(tensor.shape) * kFloatBytes;
    const bool added = header.layout.entries
                           .emplace(tensor.name, SafetensorsEntry{"F32", tensor.shape, end, bytes})
                           .second;
    require(added, "make_safetensors_header", "tensor \"{}\" occurs twice", tensor.name);
    text += entry_text(tensor.name, tensor.shape, end, end + bytes);
    end += bytes;
  }
  text += '}';
  text.resize((text.size() + kHeaderAlignment - 1) / kHeaderAlignment * kHeaderAlignment, ' ');
  header.bytes = length_bytes(text.size()) + text;
  for (auto& [name, entry] : header.layout.entries) {
    entry.begin += static_cast<std::int64_t>(header.bytes.size());
  }
  header.layout.file_bytes = static_cast<std::int64_t>(header.bytes.size()) + end;
  return header;
}

}  // namespace stagecraft
