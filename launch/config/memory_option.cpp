#include "launch/config/memory_option.h"

#include <fmt/format.h>

#include <charconv>
#include <map>

#include "launch/config/config_file.h"

namespace stagecraft {
namespace {

using Numbers = std::vector<std::int64_t>;

/// What stands before `separator`, which is taken off `text` with it.
std::string_view take(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return part;
}

std::int64_t number(std::string_view word, std::string_view text) {
  std::int64_t value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0) {
    throw BadInput(
        fmt::format("--bytes {}: \"{}\" is no number of bytes; write a whole number, as stash=100",
                    word, text));
  }
  return value;
}

/// One for all, or `due` of them.
Numbers numbers(std::string_view word, std::string_view list, int due, std::string_view of_what) {
  Numbers all;
  do {
    all.push_back(number(word, take(list, ':')));
  } while (!list.empty());
  if (all.size() == 1) {
    all.resize(static_cast<std::size_t>(due), all.front());
  }
  if (all.size() != static_cast<std::size_t>(due)) {
    throw BadInput(
        fmt::format("--bytes {}: {} numbers for {} {}; list one for each, or one for all", word,
                    all.size(), due, of_what));
  }
  return all;
}

void set_chunks(Limits& limits, const Numbers& numbers, std::int64_t ChunkBytes::*field) {
  limits.chunk_bytes.resize(numbers.size());
  for (std::size_t chunk = 0; chunk < numbers.size(); ++chunk) {
    limits.chunk_bytes[chunk].*field = numbers[chunk];
  }
}

}  // namespace

Limits parse_memory_option(std::string_view words, int chunks, int stages) {
  Limits limits;
  std::map<std::string_view, std::string_view> seen;
  while (!words.empty()) {
    const std::string_view word = take(words, ',');
    std::string_view value = word;
    const std::string_view name = take(value, '=');
    if (!seen.emplace(name, word).second) {
      throw BadInput(fmt::format("--bytes {}: {} stands there twice; remove one", word, name));
    }
    if (name == "stash") {
      set_chunks(limits, numbers(word, value, chunks, "chunks"), &ChunkBytes::stash);
    } else if (name == "weight_stash") {
      set_chunks(limits, numbers(word, value, chunks, "chunks"), &ChunkBytes::weight_stash);
    } else if (name == "stage") {
      limits.stage_bytes = numbers(word, value, stages, "stages");
    } else if (name == "tensor") {
      limits.tensor_bytes = number(word, value);
    } else if (name == "limit") {
      limits.bytes = number(word, value);
    } else {
      throw BadInput(
          fmt::format("--bytes: \"{}\" is nothing that stages hold; write NAME=NUMBER, joined by "
                      "commas, with the names stash, weight_stash, tensor, stage and limit",
                      word));
    }
  }
  return limits;
}

}  // namespace stagecraft
