#include "launch/config/cost_option.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <set>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  std::size_t end = text.find(separator);
  while (end != std::string_view::npos) {
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
    end = text.find(separator);
  }
  parts.push_back(text);
  return parts;
}

double number(std::string_view word, std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value) ||
      value < 0) {
    throw Error("costs",
                fmt::format("{}: \"{}\" is no cost; write a number that is not negative, as F=1.5",
                            word, text));
  }
  return value;
}

void set_chunk(ComputeCosts& costs, std::string_view name, double value) {
  if (name == "B") {
    costs.backward = value;
  } else {
    (name == "F"   ? costs.forward
     : name == "I" ? costs.backward_input
                   : costs.backward_weight) = value;
  }
}

void set_chunks(CostTable& costs, std::string_view word, std::string_view name,
                const std::vector<std::string_view>& values) {
  if (values.size() != 1 && values.size() != costs.chunks.size()) {
    throw Error("costs",
                fmt::format("{}: {} numbers for {} chunks; list one for each chunk, or one for all",
                            word, values.size(), costs.chunks.size()));
  }
  for (std::size_t chunk = 0; chunk < costs.chunks.size(); ++chunk) {
    set_chunk(costs.chunks[chunk], name, number(word, values[values.size() == 1 ? 0 : chunk]));
  }
}

/// Where the table keeps a cost that is no chunk's; null for another name.
double* whole(CostTable& costs, std::string_view name) {
  return name == "transfer" ? &costs.transfer
         : name == "T"      ? &costs.reduce_tied
         : name == "D"      ? &costs.reduce_data
         : name == "U"      ? &costs.optimizer
                            : nullptr;
}

}  // namespace

CostTable parse_cost_option(std::string_view words, int chunks) {
  CostTable costs;
  costs.chunks.assign(static_cast<std::size_t>(chunks), {});
  static const std::set<std::string_view> kChunkNames = {"F", "I", "W", "B"};
  std::set<std::string_view> seen;
  for (const std::string_view word :
       words.empty() ? std::vector<std::string_view>{} : split(words, ',')) {
    const std::size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    if (equals == std::string_view::npos ||
        (kChunkNames.count(name) == 0 && whole(costs, name) == nullptr)) {
      throw Error("costs",
                  fmt::format("\"{}\" is no cost; write NAME=NUMBER, joined by commas, with the "
                              "names F, I, W, B, "
                              "transfer, T, D and U",
                              word));
    }
    if (!seen.insert(name).second) {
      throw Error("costs", fmt::format("{}: {} stands there twice; remove one", word, name));
    }
    const std::string_view value = word.substr(equals + 1);
    if (double* cost = whole(costs, name)) {
      *cost = number(word, value);
    } else {
      set_chunks(costs, word, name, split(value, ':'));
    }
  }
  return costs;
}

}  // namespace stagecraft
