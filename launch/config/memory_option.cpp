#include "launch/config/memory_option.h"

#include <array>
#include <cmath>

#include "kernels/base/error.h"
#include "launch/config/number_lists.h"

namespace stagecraft {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"stash", "weight_stash", "tensor", "stage",
                                                    "limit"};

std::int64_t whole(const NumberList& list, double value) {
  // 2^53: a double holds every whole number up to it.
  constexpr double kLargestWhole = 9007199254740992;
  require(value <= kLargestWhole && std::floor(value) == value, "memory",
          "{}={} is no whole number of bytes; write one, as {}=100", list.name, value, list.name);
  return static_cast<std::int64_t>(value);
}

std::vector<std::int64_t> each(const NumberList& list, int count, std::string_view things) {
  std::vector<std::int64_t> bytes;
  for (const double value : list.each(count, things)) {
    bytes.push_back(whole(list, value));
  }
  return bytes;
}

}  // namespace

Limits parse_memory_option(std::string_view text, int chunks, int stages) {
  Limits limits;
  for (const NumberList& list : parse_number_lists(text, kNames)) {
    if (list.name == "stage") {
      limits.stage_bytes = each(list, stages, "stages");
    } else if (list.name == "tensor") {
      limits.tensor_bytes = whole(list, list.one());
    } else if (list.name == "limit") {
      limits.bytes = whole(list, list.one());
    } else {
      const auto field = list.name == "stash" ? &ChunkBytes::stash : &ChunkBytes::weight_stash;
      const std::vector<std::int64_t> bytes = each(list, chunks, "chunks");
      limits.chunk_bytes.resize(bytes.size());
      for (std::size_t chunk = 0; chunk < bytes.size(); ++chunk) {
        limits.chunk_bytes[chunk].*field = bytes[chunk];
      }
    }
  }
  return limits;
}

}  // namespace stagecraft
